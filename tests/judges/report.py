"""Certify all judges, and print what is proved of what is true, and which culprits are right.

`PYTHONPATH=tests python -m judges.report` certifies the judges whose libraries are installed. `--only spectral` selects
them by group or name, and `--write` writes what is not proved to `omissions.json`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from judges.judge import all_judges
from judges.truth import load
from judges.verdicts import KINDS, Result, results

FILE = Path(__file__).with_name("omissions.json")
OMISSIONS = ("law", "shift", "region", "receptive field")


def all_results(only: Sequence[str] = ()) -> list[Result]:
    """The claims about all judges that are installed, or about those of some groups or names."""
    truths = load()
    chosen = [j for j in all_judges().values() if j.installed and (not only or {j.name, j.group} & set(only))]
    return [result for judge in chosen for result in results(judge, truths[judge.name])]


def omitted(found: Iterable[Result]) -> dict[str, list[str]]:
    """The names of claims with an omission of each kind, of those with another culprit, and of those where a rule failed."""
    lists: dict[str, list[str]] = {kind: [] for kind in (*OMISSIONS, "culprit", "failure")}
    for result in found:
        if result.failure:
            lists["failure"].append(result.name)
        for omission in result.omissions:
            lists[omission].append(result.name)
        if result.marked and not result.right_line:
            lists["culprit"].append(result.name)
    return {kind: sorted(names) for kind, names in lists.items()}


def recorded() -> dict[str, list[str]]:
    """The omissions that are committed."""
    return json.loads(FILE.read_text())


def record(found: Sequence[Result]) -> None:
    """Write the omissions of these claims, and keep those of judges that were not certified."""
    lists, known = omitted(found), recorded() if FILE.exists() else {}
    certified = {result.judge.name for result in found}
    kept = lambda name: name.split(" ")[0].split("[")[0] not in certified
    merged = {kind: sorted({*names, *filter(kept, known.get(kind, ()))}) for kind, names in lists.items()}
    FILE.write_text(json.dumps(merged, indent=1) + "\n")


def table(found: Sequence[Result]) -> str:
    """Proved and true claims of each kind, and right and marked culprits, by group."""
    lines = [f"{'group':<18}{'cyclic':>12}{'interior':>12}{'culprits':>12}"]
    for group in [*dict.fromkeys(result.judge.group for result in found), "all"]:
        of_group = [result for result in found if group in (result.judge.group, "all")]
        counts = []
        for kind in KINDS:
            true = [result for result in of_group if result.kind == kind and result.expected]
            counts.append(f"{sum(not {'law', 'shift'} & {*result.omissions} for result in true)}/{len(true)}")
        marked = [result for result in of_group if result.marked]
        counts.append(f"{sum(result.right_line for result in marked)}/{len(marked)}")
        lines.append(f"{group:<18}" + "".join(f"{count:>12}" for count in counts))
    return "\n".join(lines)


def described(result: Result) -> str:
    """One line about a claim with an omission or a falsehood."""
    claim, law = result.claim, result.expected
    field = "whole" if claim.receptive_field is None else claim.receptive_field.size
    said = f"proved {claim.shift} -> {claim.moves} {claim.region}, field {field}" if result.proved else "not proved"
    if claim.culprit is not None:
        said += f" ({claim.culprit.primitive} at {claim.culprit.source.rsplit('/', 1)[-1]}: {claim.culprit.reason})"
    true = f"true {law.shift} -> {law.moves} {law.regions}" if law else "nothing true"
    return f"{result.judge.group}: {result.name}: {true}; {said}"


def main(arguments: Sequence[str]) -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], help="groups or names")
    parser.add_argument("--write", action="store_true", help="write omissions.json")
    options = parser.parse_args(arguments)
    found = all_results(options.only)
    print(table(found))
    for title in OMISSIONS:
        print(f"\nTrue, and not proved: {title}")
        print(*[described(result) for result in found if title in result.omissions], sep="\n")
    print("\nWrong culprits")
    print(*[described(result) for result in found if result.marked and not result.right_line], sep="\n")
    print("\nA rule raised an exception")
    print(*[f"{result.failure}: {described(result)}" for result in found if result.failure], sep="\n")
    print("\nProved, and refuted by an execution")
    print(*[f"{result.falsehoods} {described(result)}" for result in found if result.falsehoods], sep="\n")
    if options.write:
        record(found)


if __name__ == "__main__":
    main(sys.argv[1:])
