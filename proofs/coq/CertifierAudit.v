(** What the theorems about the certifier rest on: it must print "Closed under the global context" for each. *)
Require Import CertifierAxis CertifierView CertifierRules CertifierProgram CertifierSound CertifierClaims.

Print Assumptions slice_local.
Print Assumptions unfold_local.
Print Assumptions pad_local.
Print Assumptions mixed_local.
Print Assumptions cut_view.
Print Assumptions join_view.
Print Assumptions map_sound.
Print Assumptions reindex_sound.
Print Assumptions recut_sound.
Print Assumptions windows_join.
Print Assumptions cat_still.
Print Assumptions infer_right.
Print Assumptions program_sound.
Print Assumptions confirmed.
Print Assumptions accepted.
Print Assumptions cyclic_claim.
Print Assumptions interior_claim.
