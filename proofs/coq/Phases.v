(** * Slices of a value that moves along two axes

    In words: an attention map, or an outer product, moves along both of its axes when the scene is shifted.  A slice
    with a stride along the first axis, added up along it, is a signal along the second.  Slices that begin a multiple
    of the stride apart give one signal ([one_phase_is_one_signal]), which moves with the scene ([slices_move]).  Slices
    that begin elsewhere give another one: to join windows of the two is not to join windows of one signal, and the
    result does not move ([phases_are_one_signal_is_false]).  So a signal's name has to tell what was cut out along the
    other axes.

    Cells are elements of any abelian group; both axes go around. *)
From Coq Require Import ZArith Lia.
From mathcomp Require Import all_ssreflect all_algebra.
From WeightSharing Require Import Integers.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import GRing.Theory.
Local Open Scope ring_scope.

(** The sum over a whole period does not depend on where it begins. *)
Lemma sum_of_a_period (M : zmodType) (m : nat) (f : Z -> M) (q : Z) : (0 < m)%N ->
  (forall n k, f (n + k * Z.of_nat m)%Z = f n) -> \sum_(i < m) f (Z.of_nat i + q)%Z = \sum_(i < m) f (Z.of_nat i).
Proof.
case: m => // m _ around.
have by_one (g : Z -> M) : g (Z.of_nat m.+1) = g 0%Z ->
    \sum_(i < m.+1) g (Z.of_nat i + 1)%Z = \sum_(i < m.+1) g (Z.of_nat i).
  move=> e; rewrite [RHS]big_ord_recl big_ord_recr /= addrC; congr (_ + _); first by rewrite -e; congr g; lia.
  by apply: eq_bigr => i _; congr g; rewrite /bump /=; lia.
have by_nat n : \sum_(i < m.+1) f (Z.of_nat i + Z.of_nat n)%Z = \sum_(i < m.+1) f (Z.of_nat i).
  elim: n => [|n e]; first by apply: eq_bigr => i _; congr f; lia.
  rewrite -[RHS]e -(by_one (fun k => f (k + Z.of_nat n)%Z)); last by rewrite -[RHS](around _ 1%Z); congr f; lia.
  by apply: eq_bigr => i _; congr f; lia.
rewrite -(by_nat (Z.to_nat (q mod Z.of_nat m.+1))); apply: eq_bigr => i _.
have [low _] := Z.mod_pos_bound q (Z.of_nat m.+1) ltac:(lia).
rewrite Z2Nat.id // {1}(Z.div_mod q (Z.of_nat m.+1)); last by lia.
by rewrite -[RHS](around _ (q / Z.of_nat m.+1)%Z); congr f; lia.
Qed.

Section Slices.
Variables (M : zmodType) (m : nat) (s : Z).
Hypothesis m_pos : (0 < m)%N.
Notation p := (s * Z.of_nat m)%Z.                      (* m cells, s apart, are a period of the first axis *)
Implicit Type X : Z -> Z -> M.
Definition goes_around X := forall n j k, X (n + k * p)%Z j = X n j.
Definition slice X (start j : Z) : M := \sum_(i < m) X (start + s * Z.of_nat i)%Z j.

Theorem one_phase_is_one_signal X start q j : goes_around X -> slice X (start + s * q) j = slice X start j.
Proof.
move=> around; rewrite -[RHS](sum_of_a_period q (f := fun i => X (start + s * i)%Z j)) // => [|n k].
  by apply: eq_bigr => i _; congr X; rewrite ?ZE; lia.
by rewrite -[RHS](around _ _ k); congr X; lia.
Qed.

(** A shift of the scene by [s * t] moves [X] by that along both axes. *)
Theorem slices_move X X' start t j : goes_around X -> (forall n i, X' n i = X (n - s * t)%Z (i - s * t)%Z) ->
  slice X' start j = slice X start (j - s * t)%Z.
Proof.
move=> around moves; rewrite -(one_phase_is_one_signal start (- t) _ around).
by apply: eq_bigr => i _; rewrite moves; congr X; rewrite ?ZE; lia.
Qed.
End Slices.

(** Four cells: the first two of the even rows' signal, then the last two of the odd rows'.  They do not move by 2. *)
Definition joined (X : Z -> Z -> Z) (j : Z) : Z := if (j <? 2)%Z then slice 2 2 X 0 j else slice 2 2 X 1 j.

Theorem phases_are_one_signal_is_false :
  ~ forall x : Z -> Z, (forall n k, x (n + k * 4)%Z = x n) ->
      forall j, (0 <= j < 4)%Z ->
      joined (fun n i => x (n - 2)%Z * x (i - 2)%Z) j = joined (fun n i => x n * x i) ((j - 2) mod 4)%Z.
Proof.
move=> claim; pose x n : Z := if (n mod 4 =? 0)%Z then 1%Z else 0%Z.
have around n k : x (n + k * 4)%Z = x n by rewrite /x Z_mod_plus_full.
by have := claim x around 2%Z ltac:(lia); rewrite /joined /slice /= !big_ord_recl !big_ord0.
Qed.
