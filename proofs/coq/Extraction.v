(** * The reference over [Z], as a program

    In words: [run] computes a case of proofs/golden/conv.json, [window] a row of proofs/golden/windows.json; every
    number that [run] gives is the one that the theorems' layer has there, in the ring [Z] ([run_correct]).  Between the
    proof and the program stand Coq's extraction, the maps from [Z] and [nat] to OCaml's 63-bit [int], and the compiler. *)
From Coq Require Import ZArith Extraction ExtrOcamlBasic ExtrOcamlNatInt ExtrOcamlZInt.
From mathcomp Require Import all_ssreflect all_algebra.
From WeightSharing Require Import Integers Gradient Reference Agreement.
From WeightSharing Require Geometry.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import GRing.Theory.
Local Open Scope ring_scope.

Definition run (axes : seq Geometry.axis) (ci co : nat) (w b x dy : seq Z) :=
  let table := overlays axes in
  let cells := product (map n_cells axes) in
  let taps := product (map n_taps axes) in
  (y_ref Z0 Z.add Z.mul table cells taps ci co w b x,
   dw_ref Z0 Z.add Z.mul table cells taps ci co x dy,
   db_ref Z0 Z.add table co dy,
   dx_ref Z0 Z.add Z.mul table cells taps ci co w dy).

Theorem run_correct axes ci co w b x dy : all (fun a => Z.ltb 0 (Geometry.length a)) axes ->
  let table := overlays axes in
  let cells := product (map n_cells axes) in
  let taps := product (map n_taps axes) in
  let pos := @pos table cells taps in
  let '(y, dw, db, dx) := run axes ci co w b x dy in
  let w' : 'I_co * 'I_ci * 'I_taps -> Z := w_of w in
  let x' : 'I_ci * 'I_cells -> Z := x_of x in
  let dy' : 'I_co * 'I_(size table) -> Z := y_of dy in
  [/\ forall o p, y_of y (o, p) = b`_o + conv pos w' x' (o, p),
      forall o i k, w_of dw (o, i, k) = kernel_delta pos x' dy' (o, i, k),
      forall o : 'I_co, db`_o = \sum_p dy' (o, p)
    & forall i m, x_of dx (i, m) = transposed_conv pos w' dy' (i, m)].
Proof.
move=> pos_lengths; have in_range p k m := @overlays_in_range axes p k m pos_lengths.
split=> *; [exact: y_correct|exact: dw_correct|exact: db_correct|exact: dx_correct].
Qed.

(** The padding in cells, and the cells that each window reads. *)
Definition window (a : Geometry.axis) :=
  (Geometry.padded_by a, map (Geometry.reads a) (Geometry.range (Geometry.out a))).

Extraction "reference.ml" run window Geometry.made Geometry.Axis.
