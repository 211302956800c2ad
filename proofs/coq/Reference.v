(** * An executable convolution with its three deltas, on lists

    In words: the layer of Gradient.v, written so that it runs.  A table says which cell of the input each tap of each
    output reads; everything else is loops over [nth].  The text uses bare operations [zero], [add] and [mul], so that
    the same definitions are proved correct over every commutative ring (Agreement.v), run by the kernel on rationals
    (Example.v), and extracted to OCaml over [Z] (Extraction.v).

    The layouts are row-major and channels first: x [ci][cells], w [co][ci][taps], b [co], y and dy [co][positions]. *)
From Coq Require Import ZArith.
From mathcomp Require Import all_ssreflect.
From WeightSharing Require Geometry.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.

(** ** The layer, over a table *)
Section Layer.
Variables (A : Type) (zero : A) (add mul : A -> A -> A).
Variables (table : seq (seq (option nat))) (cells taps ci co : nat).
Definition reads p k := nth None (nth [::] table p) k.
Definition sum n (f : nat -> A) := foldr (fun k s => add (f k) s) zero (iota 0 n).
Definition at_x (x : seq A) i (o : option nat) := if o is Some m then nth zero x (i * cells + m) else zero.
Definition at_w (w : seq A) o i k := nth zero w ((o * ci + i) * taps + k).
Definition at_y (y : seq A) o p := nth zero y (o * size table + p).
Definition is_cell m (o : option nat) := if o is Some j then Nat.eqb j m else false.

Definition y_at w b x o p :=
  add (nth zero b o) (sum ci (fun i => sum taps (fun k => mul (at_w w o i k) (at_x x i (reads p k))))).
Definition dw_at x dy o i k := sum (size table) (fun p => mul (at_y dy o p) (at_x x i (reads p k))).
Definition dx_at w dy i m := sum co (fun o => sum (size table) (fun p => sum taps (fun k =>
  if is_cell m (reads p k) then mul (at_w w o i k) (at_y dy o p) else zero))).
Definition db_at dy o := sum (size table) (fun p => at_y dy o p).

(** Row-major lists: the entry at [o, p] stands at [o * positions + p]. *)
Definition rows m n (f : nat -> nat -> A) := flatten [seq [seq f i j | j <- iota 0 n] | i <- iota 0 m].
Definition y_ref w b x := rows co (size table) (y_at w b x).
Definition dw_ref x dy := flatten [seq rows ci taps (dw_at x dy o) | o <- iota 0 co].
Definition dx_ref w dy := rows ci cells (dx_at w dy).
Definition db_ref dy := [seq db_at dy o | o <- iota 0 co].
End Layer.

(** ** The table, from the geometry of each axis *)
Definition n_cells a := Z.to_nat (Geometry.length a).
Definition n_taps a := Z.to_nat (Geometry.taps a).
Definition n_out a := Z.to_nat (Geometry.out a).
Definition read1 a j u := omap Z.to_nat (Geometry.read a (Z.of_nat j) (Z.of_nat u)).
Definition table1 a := [seq [seq read1 a j u | u <- iota 0 (n_taps a)] | j <- iota 0 (n_out a)].

Definition product := foldr muln 1.

(** Cell [a] along the first axis and [b] along the others is cell [a * n2 + b] of them all. *)
Definition both n2 (i j : option nat) := if (i, j) is (Some a, Some b) then Some (a * n2 + b) else None.
Definition times n2 (t1 t2 : seq (seq (option nat))) :=
  [seq [seq both n2 i j | i <- r1, j <- r2] | r1 <- t1, r2 <- t2].
Fixpoint overlays (l : seq Geometry.axis) : seq (seq (option nat)) :=
  if l is a :: l' then times (product [seq n_cells b | b <- l']) (table1 a) (overlays l') else [:: [:: Some 0]].
