"""The kinds of claims that `certify` makes about each output and axis.

A new kind is one more file here, a row of `KINDS`, and a word in `claims.KindName`. `recheck` has its own account of
each kind, since it must not share a mistake with this one.
"""

from __future__ import annotations

from jaxconv.verify.claim_kinds.cyclic import Cyclic
from jaxconv.verify.claim_kinds.interior import Interior
from jaxconv.verify.claim_kinds.kind import ClaimKind
from jaxconv.verify.claims import KindName

KINDS: dict[KindName, ClaimKind] = {kind.name: kind for kind in (Cyclic(), Interior())}
