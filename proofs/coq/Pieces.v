(** * Pieces: adding up the cells that stand a period apart

    In words: the gradient of a wrap-around pad of a circle of [p] cells adds up all cells that stand a period apart.
    What is added up moves with the scene, while the longer array itself does not.  So the certifier keeps account of
    that sum, the [fold], through every operation that commutes with it and loses no cell:

    - a function of each cell commutes with the fold exactly if it is additive ([fold_map_iff]): scaling by a constant,
      a sum over other axes, a change of sign.  A division that rounds down, a number that wraps to 8 bits, and a number
      that is rounded to a multiple of 8 are not ([halves_are_false], [wrapping_is_false], [quantising_is_false]);
    - a correlation that keeps all overlaps becomes the circular correlation of the fold ([fold_correlation]);
    - zeros around the cells change nothing ([fold_reads_values]); cells that are moved on move the fold ([fold_moved]);
      zeros between the cells multiply the period ([fold_spread]); pieces put together add up ([fold_cat]);
    - the adjoint of a wrap-around pad is the fold ([wrap_pad_adjoint]); the gradient of max pooling moves as the winners
      and the fold of what they receive do ([placed_pieces_move]);
    - pieces that are all of an array, each moved on by the same number of cells but for whole periods, are, within one
      period, the fold ([pieces_settle]); so that what they show moves if the fold does ([settled_pieces_move]).

    Numbers are those of any ring, or vectors of them ([M], [N]): exact arithmetic over the reals.  Of integers that
    wrap, and of divisions of integers, it is false.  Rounding of floating-point numbers is not covered.

    An array is a list of cells, each a position and what stands there; where no cell is, there are zeros. *)
From Coq Require Import ZArith Lia.
From mathcomp Require Import all_ssreflect all_algebra.
From WeightSharing Require Import Integers.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import GRing.Theory.
Local Open Scope ring_scope.

Definition cells M := seq (Z * M).
(** The same place on a circle of [p] cells. *)
Definition same_place (p a b : Z) : bool := Z.eqb (a mod p) (b mod p).

Section Fold.
Variables (M : zmodType) (p : Z).
Implicit Types (x y : cells M) (n : Z).
Hypothesis p_pos : (0 < p)%Z.

Definition at_ x n : M := \sum_(c <- x | c.1 == n) c.2.
Definition fold x n : M := \sum_(c <- x | same_place p c.1 n) c.2.
Definition moved (t : Z) x : cells M := [seq (c.1 + t, c.2) | c <- x].

Lemma same_placeP a b : reflect (exists q, a = b + q * p)%Z (same_place p a b).
Proof.
apply: (iffP idP) => [/Z.eqb_spec e|[q ->]]; last by apply/Z.eqb_spec; rewrite Z_mod_plus_full.
exists (a / p - b / p)%Z.
have := Z.div_mod a p; have := Z.div_mod b p; rewrite e; nia.
Qed.

Theorem fold_cat x y n : fold (x ++ y) n = fold x n + fold y n.
Proof. by rewrite /fold big_cat. Qed.

Theorem fold_moved t x n : fold (moved t x) n = fold x (n - t).
Proof.
rewrite /fold big_map; apply: eq_bigl => c /=.
apply/same_placeP/same_placeP => [[q e]|[q e]]; exists q; move: e; rewrite !ZE; lia.
Qed.

(** The fold depends only on what an array shows: cells of zeros, and how cells are listed, do not matter. *)
Theorem fold_reads_values x y n : (forall m, at_ x m = at_ y m) -> fold x n = fold y n.
Proof.
move=> same; pose places := undup (map fst x ++ map fst y).
suff by_place z : {subset map fst z <= places} -> fold z n = \sum_(m <- places | same_place p m n) at_ z m.
  rewrite !by_place; first by apply: eq_bigr => m _.
  - by move=> m; rewrite mem_undup mem_cat => ->; rewrite orbT.
  - by move=> m; rewrite mem_undup mem_cat => ->.
move=> inside; rewrite (exchange_big_dep (fun c => same_place p c.1 n)) /= => [|m c at_n /eqP->] //.
rewrite /fold big_seq_cond [RHS]big_seq_cond; apply: eq_bigr => c /andP[c_in at_n].
have only m : (same_place p m n && (c.1 == m)) = (m == c.1).
  by rewrite eq_sym; case: eqP => [->|]; rewrite ?at_n ?andbF.
by rewrite (eq_bigl _ _ only) -big_filter filter_pred1_uniq ?big_seq1 ?undup_uniq // inside // map_f.
Qed.
End Fold.

(** ** Functions of each cell *)
Section Map.
Variables (M N : zmodType) (p : Z).
Hypothesis p_pos : (0 < p)%Z.
Definition mapped (f : M -> N) (x : cells M) : cells N := [seq (c.1, f c.2) | c <- x].

Theorem fold_map_iff (f : M -> N) :
  (forall x n, fold p (mapped f x) n = f (fold p x n)) <-> (forall a b, f (a + b) = f a + f b).
Proof.
split=> [law a b|add x n].
  by have := law [:: (0, a); (0, b)] 0; rewrite /fold !big_cons !big_nil /= !addr0.
have zero : f 0 = 0 by apply: (addrI (f 0)); rewrite -add !addr0.
rewrite /fold big_map; elim: x => [|c x e]; first by rewrite !big_nil zero.
by rewrite !big_cons; case: ifP => // _; rewrite add -e.
Qed.
End Map.

(** What is not additive: a whole number halved and rounded down; wrapped to 8 bits, of which a wider sum sees the
    carry; rounded down to a multiple of 8, as [reduce_precision] and casts to 8-bit floats round. *)
Section NotAdditive.
Variables (p : Z) (p_pos : (0 < p)%Z).
Definition half (v : Z) : Z := (v / 2)%Z.
Definition wrapped (v : Z) : Z := ((v + 128) mod 256 - 128)%Z.
Definition quantised (v : Z) : Z := (v / 8 * 8)%Z.

Theorem halves_are_false : ~ forall x n, fold p (mapped half x) n = half (fold p x n).
Proof. by move/fold_map_iff/(_ 1%Z 1%Z). Qed.

Theorem wrapping_is_false : ~ forall x n, fold p (mapped wrapped x) n = wrapped (fold p x n).
Proof. by move/fold_map_iff/(_ 127%Z 1%Z). Qed.

Theorem quantising_is_false : ~ forall x n, fold p (mapped quantised x) n = quantised (fold p x n).
Proof. by move/fold_map_iff/(_ 4%Z 4%Z). Qed.
End NotAdditive.

(** ** Zeros between the cells: [s] times as many cells make a period *)
Section Spread.
Variables (M : zmodType) (p s : Z).
Hypotheses (p_pos : (0 < p)%Z) (s_pos : (0 < s)%Z).
Definition spread (x : cells M) : cells M := [seq ((s * c.1)%Z, c.2) | c <- x].

Theorem fold_spread x n :
  fold (s * p) (spread x) n = if Z.eqb (n mod s) 0 then fold p x (n / s) else 0.
Proof.
have sp_pos : (0 < s * p)%Z by nia.
rewrite /fold big_map /=; case: Z.eqb_spec => [e|ne]; last first.
  apply: big1_seq => c /andP[/same_placeP-/(_ sp_pos)[q e] _]; case: ne.
  by rewrite (_ : n = (c.1 - q * p) * s)%Z ?Z_mod_mult //; move: c.1 e => m e; nia.
apply: eq_bigl => -[m v] /=; have := Z.div_mod n s; rewrite e => d.
apply/(same_placeP sp_pos)/(same_placeP p_pos) => [[q E]|[q E]]; exists q; nia.
Qed.
End Spread.

(** ** A correlation that keeps all overlaps: [y(n) = sum over k of w k (x(n + off k))] for all integers [n]

    The taps are additive: numbers or matrices by which cells are multiplied. *)
Section Correlation.
Variables (M N : zmodType) (K : finType) (off : K -> Z) (w : K -> {additive M -> N}) (p : Z).
Hypothesis p_pos : (0 < p)%Z.

Definition correlated (x : cells M) : cells N := [seq (c.1 - off k, w k c.2) | c <- x, k <- enum K].

Lemma sum_correlated (P : pred Z) x :
  \sum_(c <- correlated x | P c.1) c.2 = \sum_k w k (\sum_(c <- x | P (c.1 - off k)) c.2).
Proof.
rewrite big_mkcond big_allpairs_dep /=; under [RHS]eq_bigr do rewrite raddf_sum big_mkcond /=.
by rewrite [RHS]exchange_big /=; apply: eq_bigr => c _; rewrite big_enum.
Qed.

Theorem fold_correlation x y :
  (forall n, at_ y n = \sum_k w k (at_ x (n + off k))) ->
  forall n, fold p y n = \sum_k w k (fold p x (n + off k)).
Proof.
move=> kept n; transitivity (fold p (correlated x) n).
  apply: fold_reads_values => m.
  rewrite kept /at_ (sum_correlated (pred1 m)); apply: eq_bigr => k _; congr (w k _).
  by apply: eq_bigl => c; rewrite /= subr_eq.
rewrite /fold (sum_correlated (same_place p ^~ n)); apply: eq_bigr => k _; congr (w k _).
apply: eq_bigl => c; apply/(same_placeP p_pos)/(same_placeP p_pos) => [[q e]|[q e]]; exists q; move: e; rewrite !ZE; lia.
Qed.
End Correlation.

(** ** All pieces of an array, in one period

    [parts]: the pieces, and by how many cells each is moved on. *)
Section Settle.
Variables (M : zmodType) (p : Z).
Hypothesis p_pos : (0 < p)%Z.
Definition together (parts : seq (cells M * Z)) := flatten [seq moved part.2 part.1 | part <- parts].
Definition settled (o : Z) (x : cells M) (parts : seq (cells M * Z)) :=
  [/\ forall n, at_ (flatten (map fst parts)) n = at_ x n,
      forall part, part \in map snd parts -> same_place p part o
    & forall n, n \in map fst (together parts) -> (0 <= n < p)%Z].

Theorem pieces_settle o x parts : settled o x parts ->
  forall n, (0 <= n < p)%Z -> at_ (together parts) n = fold p x (n - o).
Proof.
case=> whole apart within n n_in.
transitivity (fold p (together parts) n).
  rewrite /at_ /fold big_seq_cond [RHS]big_seq_cond; apply: eq_bigl => c.
  case: (boolP (c \in _)) => //= c_in; have c_at := within c.1 (map_f _ c_in).
  by rewrite /same_place !Z.mod_small //; apply/eqP/Z.eqb_spec.
rewrite -(fold_reads_values p (n - o) whole) {whole within}.
elim: parts apart => [|[part t] parts IH] apart; first by rewrite /fold !big_nil.
rewrite /together /= !fold_cat -/(together parts) IH => [|u u_in]; last by apply: apart; rewrite inE u_in orbT.
have /(same_placeP p_pos)[q e] := apart t (mem_head _ _).
congr (_ + _); rewrite fold_moved //; apply: eq_bigl => c.
apply/(same_placeP p_pos)/(same_placeP p_pos) => [[r E]|[r E]].
  by exists (r - q)%Z; move: E; rewrite ?ZE; lia.
by exists (r + q)%Z; move: E; rewrite ?ZE; lia.
Qed.

(** Two runs, cut and moved alike: if the fold of the second is the first's, moved by [t], so is what settles. *)
Theorem settled_pieces_move o t x x' parts parts' :
  settled o x parts -> settled o x' parts' -> (forall n, fold p x' n = fold p x (n - t)) ->
  forall n, (0 <= n < p)%Z -> at_ (together parts') n = at_ (together parts) ((n - t) mod p)%Z.
Proof.
move=> one other moves n n_in; rewrite (pieces_settle other) // moves.
have in_p := Z.mod_pos_bound (n - t) p p_pos; rewrite (pieces_settle one) //.
apply: eq_bigl => c; have := Z.div_mod (n - t) p; move: (_ mod _)%Z (_ / _)%Z => u v e.
apply/(same_placeP p_pos)/(same_placeP p_pos) => [[r E]|[r E]].
  by exists (r + v)%Z; move: E; rewrite ?ZE; nia.
by exists (r - v)%Z; move: E; rewrite ?ZE; nia.
Qed.
End Settle.

(** ** Gradients of a wrap-around pad, and of max pooling *)
Section Gradients.
Variable P : nat.
Notation p := (Z.of_nat P).
Hypothesis P_pos : (0 < P)%N.

Lemma sum_by_place (M N : zmodType) (F : Z -> M -> N) (y : cells M) :
  (forall m a b, F m (a + b) = F m a + F m b) -> (forall m v, F m v = F (m mod p)%Z v) ->
  \sum_(c <- y) F c.1 c.2 = \sum_(i < P) F (Z.of_nat i) (fold p y (Z.of_nat i)).
Proof.
move=> add around.
have zero m : F m 0 = 0 by apply: (addrI (F m 0)); rewrite -add !addr0.
elim: y => [|[m v] y e]; first by rewrite big_nil big1 // => i _; rewrite /fold big_nil zero.
have cons i : fold p ((m, v) :: y) i = (if same_place p m i then v else 0) + fold p y i.
  by rewrite /fold big_cons; case: ifP; rewrite ?add0r.
rewrite big_cons e /=; under [RHS]eq_bigr do rewrite cons add.
rewrite big_split /=; congr (_ + _).
have p_pos : (0 < p)%Z by move/ltP: P_pos; lia.
have [low high] := Z.mod_pos_bound m p p_pos.
have in_P : (Z.to_nat (m mod p) < P)%N by apply/ltP; lia.
have at_i : Z.of_nat (Ordinal in_P) = (m mod p)%Z by rewrite /= Z2Nat.id.
rewrite (bigD1 (Ordinal in_P)) //= [X in _ + X]big1 => [|i ne].
  by rewrite addr0 Z2Nat.id // /same_place Z.mod_mod ?Z.eqb_refl; [rewrite around|lia].
rewrite /same_place; case: Z.eqb_spec => // e'; case/eqP: ne; apply: val_inj => /=.
by rewrite e' Z.mod_small ?Nat2Z.id //; have /ltP := ltn_ord i; lia.
Qed.

(** A wrap-around pad shows [x(n mod p)] at each position [n]; its adjoint is the fold. *)
Theorem wrap_pad_adjoint (R : ringType) (x : Z -> R) (y : cells R) :
  \sum_(c <- y) c.2 * x (c.1 mod p)%Z = \sum_(i < P) fold p y (Z.of_nat i) * x (Z.of_nat i).
Proof.
have p_nz : p <> 0%Z by move/ltP: P_pos; lia.
rewrite (sum_by_place (F := fun m v => v * x (m mod p)%Z)) => [|m a b|m v].
- by apply: eq_bigr => i _; rewrite Z.mod_small //; have /ltP := ltn_ord i; lia.
- exact: mulrDl.
- by rewrite Z.mod_mod.
Qed.

(** Each window [n] gives its number to the cell [chosen n] that was the largest in it; the windows stand [s] cells
    apart.  The cells that are chosen repeat with the scene, and those of the second run are the first's, moved by [s * t].
    This is so along one axis, for each window of the others by itself. *)
Section Chosen.
Variables (M : zmodType) (s : Z).
Hypothesis s_pos : (0 < s)%Z.
Definition placed (chosen : Z -> Z) (y : cells M) : cells M := [seq (chosen c.1, c.2) | c <- y].

Lemma fold_placed chosen y y' n : (forall m q, chosen (m + q * p) = chosen m + q * (s * p))%Z ->
  (forall m, fold p y m = fold p y' m) -> fold (s * p) (placed chosen y) n = fold (s * p) (placed chosen y') n.
Proof.
move=> around same; have p_pos : (0 < p)%Z by move/ltP: P_pos; lia.
pose F m (v : M) := if same_place (s * p) (chosen m) n then v else 0.
have by_place z : fold (s * p) (placed chosen z) n = \sum_(i < P) F (Z.of_nat i) (fold p z (Z.of_nat i)).
  rewrite -sum_by_place /F => [|m a b|m v]; first by rewrite /fold big_map big_mkcond.
    by case: ifP; rewrite ?addr0.
  rewrite {1}(Z.div_mod m p) ?(Z.add_comm (p * _)) ?(Z.mul_comm p); last by lia.
  by rewrite around /same_place Z_mod_plus_full.
by rewrite !by_place; apply: eq_bigr => i _; rewrite same.
Qed.

Theorem placed_pieces_move chosen chosen' t y y' :
  (forall m q, chosen' (m + q * p) = chosen' m + q * (s * p))%Z ->
  (forall m, chosen' (m + t) = chosen m + s * t)%Z ->
  (forall m, fold p y' m = fold p y (m - t)) ->
  forall n, fold (s * p) (placed chosen' y') n = fold (s * p) (placed chosen y) (n - s * t)%Z.
Proof.
move=> around follows moves n; have p_pos : (0 < p)%Z by move/ltP: P_pos; lia.
rewrite (fold_placed (y' := moved t y)) // => [|m]; last by rewrite moves fold_moved.
rewrite -[RHS]fold_moved; last by nia.
congr (fold _ _ n); rewrite /placed /moved -!map_comp.
by apply: eq_map => c; rewrite /= ZE follows.
Qed.
End Chosen.
End Gradients.
