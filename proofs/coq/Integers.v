(** * The integers that computers have: Coq's binary [Z] as a commutative ring

    MathComp's own integers, [int], are unary: good to reason about, too slow to run.  Here [Z] becomes one of
    MathComp's rings, so that a theorem about every commutative ring holds, unchanged, of what is executed (over
    [Z.add] and [Z.mul]), of what [lia] can decide, and of the coordinates of pixels.

    No claims are made here: the instances, and three rules for reading ring notation as [Z]'s own. *)
From Coq Require Import ZArith Lia.
From mathcomp Require Import all_ssreflect all_algebra.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import GRing.Theory.

(** MathComp writes [%Z] for its own integers; here, and in what imports this, it is [Z]'s again. *)
Delimit Scope Z_scope with Z.

(** MathComp asks of a type that its elements can be compared and chosen: inherited from [int], through a bijection. *)
Definition int_of_Z (z : Z) : int :=
  match z with Z0 => Posz 0 | Zpos p => Posz (Pos.to_nat p) | Zneg p => Negz (Pos.to_nat p).-1 end.
Definition Z_of_int (i : int) : Z := match i with Posz n => Z.of_nat n | Negz n => Z.opp (Z.of_nat n.+1) end.

Lemma int_of_ZK : cancel int_of_Z Z_of_int.
Proof.
case=> [|p|p]; [by []|exact: positive_nat_Z|].
have [n e] := Pos2Nat.is_succ p.
by rewrite /int_of_Z e /Z_of_int -e positive_nat_Z.
Qed.

Definition Z_eqMixin := CanEqMixin int_of_ZK.
Canonical Z_eqType := Eval hnf in EqType Z Z_eqMixin.
Definition Z_choiceMixin := CanChoiceMixin int_of_ZK.
Canonical Z_choiceType := Eval hnf in ChoiceType Z Z_choiceMixin.
Definition Z_zmodMixin := ZmodMixin Z.add_assoc Z.add_comm Z.add_0_l Z.add_opp_diag_l.
Canonical Z_zmodType := Eval hnf in ZmodType Z Z_zmodMixin.
Definition Z_ringMixin :=
  @ComRingMixin _ (Zpos xH) Z.mul Z.mul_assoc Z.mul_comm Z.mul_1_l Z.mul_add_distr_r isT.
Canonical Z_ringType := Eval hnf in RingType Z Z_ringMixin.
Canonical Z_comRingType := Eval hnf in ComRingType Z Z.mul_comm.

Lemma Z_addE (a b : Z) : (a + b)%R = Z.add a b. Proof. by []. Qed.
Lemma Z_oppE (a : Z) : (- a)%R = Z.opp a. Proof. by []. Qed.
Lemma Z_mulrnE (a : Z) n : (a *+ n)%R = Z.mul a (Z.of_nat n).
Proof.
elim: n => [|n IH]; first by rewrite mulr0n Z.mul_0_r.
by rewrite mulrS IH Z_addE Nat2Z.inj_succ; lia.
Qed.
Definition ZE := (Z_addE, Z_oppE, Z_mulrnE).
