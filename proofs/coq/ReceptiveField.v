(** * Receptive fields add

    In words: if the first layer's output [n] looks at the cells from [s1 n + a1] to [s1 n + b1], and the second's at
    those from [s2 n + a2] to [s2 n + b2] of the first, then together they look at those from [s1 s2 n + s1 a2 + a1] to
    [s1 s2 n + s1 b2 + b1], ends included: a field of [s1 (size2 - 1) + size1] cells.  The taps are those of
    [slide_compose], along one axis. *)
From Coq Require Import ZArith Lia.
From mathcomp Require Import all_ssreflect all_algebra.
From WeightSharing Require Import Integers Equivariance.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Local Open Scope Z_scope.

(** The offsets of a window reach from [a] to [b], and no further. *)
Definition reaches (K : finType) (off : K -> Z) (a b : Z) : Prop :=
  (forall k, a <= off k <= b) /\ (exists k, off k = a) /\ (exists k, off k = b).
Definition size_of (a b : Z) : Z := b - a + 1.

Section Compose.
Variables (K1 K2 : finType) (off1 : K1 -> Z) (off2 : K2 -> Z) (s1 : nat) (a1 b1 a2 b2 : Z).
Hypotheses (first : reaches off1 a1 b1) (second : reaches off2 a2 b2).
Notation off := (off12 [additive of @stride Z_zmodType s1] off1 off2).
Notation s := (Z.of_nat s1).

Lemma offE k : off k = s * off2 k.1 + off1 k.2.
Proof. by rewrite /off12 /= /stride !ZE Z.mul_comm. Qed.

Theorem receptive_fields_add : reaches off (s * a2 + a1) (s * b2 + b1).
Proof.
case: first second => in1 [[k1 lo1] [l1 hi1]] [in2 [[k2 lo2] [l2 hi2]]].
split=> [k|]; first by rewrite offE; have := in1 k.2; have := in2 k.1; nia.
by split; [exists (k2, k1)|exists (l2, l1)]; rewrite offE /=; lia.
Qed.

Theorem receptive_field_size : size_of (s * a2 + a1) (s * b2 + b1) = s * (size_of a2 b2 - 1) + size_of a1 b1.
Proof. by rewrite /size_of; lia. Qed.
End Compose.
