(** * The grids that layers use

    In words: what Equivariance.v says of any group, said of the ones that the library has.  On images a convolution of
    stride [s] answers a shift by [(s t1, s t2)] with a shift by [(t1, t2)] ([image_conv_shift]).  Up-sampling by [s]
    puts [s - 1] zeros between the cells of a signal and answers a shift by [t] with a shift by [s t] ([spread_shift]);
    so does a transposed convolution, which is that and then a convolution of stride 1 ([conv_transpose_shift]). *)
From Coq Require Import ZArith Lia.
From mathcomp Require Import all_ssreflect all_algebra.
From WeightSharing Require Import Integers Equivariance.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import GRing.Theory.
Local Open Scope ring_scope.

Section Images.
Variables (R : ringType) (K Ci Co : finType) (s : nat) (off : K -> Z * Z).
Theorem image_conv_shift (w : Co -> Ci -> K -> R) b (t1 t2 : Z) x n :
  conv [additive of stride s] off w b (shift (t1 *+ s, t2 *+ s) x) n
  =1 shift (t1, t2) (conv [additive of stride s] off w b x) n.
Proof.
move=> o; rewrite -(conv_shift [additive of stride s]); congr (conv _ _ _ _ (shift _ x) n o).
by rewrite /= /stride; elim: s => [|k IH]; rewrite ?mulr0n // !mulrS -IH.
Qed.
End Images.

Section Spread.
Variables (R : ringType) (K Ci Co : finType) (s : nat) (off : K -> Z).
Hypothesis s_pos : (0 < s)%N.
Notation by_s := [additive of @stride Z_zmodType s].

(** Where a cell of the spread signal comes from: from [h] if it is [s h]. *)
Definition source (g : Z) : option Z :=
  if Z.eqb (g mod Z.of_nat s) 0 then Some (g / Z.of_nat s)%Z else None.

Lemma sourceP g h : source g = Some h <-> g = by_s h.
Proof.
have pos : (0 < Z.of_nat s)%Z by move/ltP: s_pos; lia.
rewrite /source /= /stride ZE; case: Z.eqb_spec => [e|ne].
  split=> [[<-]|->]; last by rewrite Z_div_mult_full; [|lia].
  by rewrite {1}(Z.div_mod g (Z.of_nat s)) ?e; lia.
by split=> // e; case: ne; rewrite e Z.mod_mul; lia.
Qed.

Definition spread (x : Z -> Ci -> R) : Z -> Ci -> R := up_sample source (fun=> 0) x.

Theorem spread_shift t x : spread (shift t x) =1 shift (by_s t) (spread x).
Proof. exact: up_sample_shift sourceP t x. Qed.

Theorem conv_transpose_shift (w : Co -> Ci -> K -> R) b t x n :
  conv [additive of idfun] off w b (spread (shift t x)) n
  =1 shift (by_s t) (conv [additive of idfun] off w b (spread x)) n.
Proof.
move=> o; rewrite -(conv_shift [additive of idfun]); congr (_ + _).
by apply: eq_bigr => i _; apply: eq_bigr => k _; rewrite spread_shift.
Qed.
End Spread.
