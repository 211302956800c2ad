(** The checker as an OCaml program: the functions of which `accepted` and `confirmed` speak, as they stand. *)
Require Import CertifierDomain CertifierProgram CertifierClaims.
Require Import ExtrOcamlBasic.
Set Warnings "-extraction-default-directory".

Extraction "certifier.ml" accepts confirms states inputs_ok.
