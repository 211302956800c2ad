#!/bin/sh
# Checks every proof about the certifier, audits what they rest on, extracts the checker and builds it into $1.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/build}
mkdir -p "$out"
cp "$here"/../coq/Certifier*.v "$here"/*.ml "$out"
cd "$out"
if grep -nE '\b(Admitted|admit|Axiom|Parameter|Conjecture|Hypothesis [A-Z].*: False)\b' Certifier*.v; then
  echo "build: an assumption stands in place of a proof" >&2; exit 1
fi
for file in Domain Axis View Take Rules Program Sound Claims; do
  timeout 300 coqc -R . Certifier "Certifier$file.v"
done
timeout 300 coqc -R . Certifier CertifierAudit.v > audit.txt
asked=$(grep -c '^Print Assumptions' CertifierAudit.v)
closed=$(grep -cx 'Closed under the global context' audit.txt)
if [ "$asked" -ne "$closed" ] || [ "$closed" -ne "$(wc -l < audit.txt)" ]; then
  cat audit.txt >&2; echo "build: a theorem rests on an assumption" >&2; exit 1
fi
timeout 300 coqc -R . Certifier CertifierExtract.v
ocamlfind ocamlopt -w +a-4-9-32..40-42-44-45-70 -o certificate_checker certifier.mli certifier.ml json.ml main.ml 2> ocaml.txt || { cat ocaml.txt >&2; exit 1; }
echo "$closed theorems, closed under the global context; $out/certificate_checker"
