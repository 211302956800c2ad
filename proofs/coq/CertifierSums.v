(** Rules that make something of all cells along an axis (rules/reduction.py): over whole periods, whatever stands where. *)
From Coq Require Import ZArith List Lia Bool Permutation.
Require Import CertifierDomain CertifierAxis.
Import ListNotations.
Open Scope Z_scope.

Definition range (n : Z) : list Z := map Z.of_nat (seq 0 (Z.to_nat n)).

Lemma range_in n q : In q (range n) <-> 0 <= q < n.
Proof.
unfold range. rewrite in_map_iff. split.
- intros (x & <- & H). apply in_seq in H. lia.
- intro H. exists (Z.to_nat q). rewrite in_seq. lia.
Qed.

(** Reductions, scans, sorts: cell i is made of all cells along the axis, in row-major order. *)
Definition mixed {R} (F : Z -> list R -> R) (n : Z) (i : Z) (w : Z -> R) : R := F i (map w (range n)).
Definition commutative {R} (F : Z -> list R -> R) : Prop := forall i l m, Permutation l m -> F i l = F i m.

(** A factor of whole periods: every cell shows the signal, and the length is a multiple of the period. *)
Definition whole (f : factor) : bool :=
  (lo f <=? 0) && (len f <=? hi f) && (0 <=? len f) && ((step f =? 0) || ((0 <? per f) && divides (per f) (len f))).

Fixpoint cells (fs : axis) : list (list Z) :=
  match fs with [] => [[]] | f :: fs => flat_map (fun d => map (cons d) (cells fs)) (range (len f)) end.

Lemma range_shift n : 0 <= n -> range (n + 1) = 0 :: map (Z.add 1) (range n).
Proof.
intro H. unfold range. replace (Z.to_nat (n + 1)) with (S (Z.to_nat n)) by lia. simpl. f_equal.
rewrite <- seq_shift, !map_map. apply map_ext; intro; lia.
Qed.

Lemma range_last n : 0 <= n -> range (n + 1) = range n ++ [n].
Proof.
intro H. unfold range. replace (Z.to_nat (n + 1)) with (Z.to_nat n + 1)%nat by lia.
rewrite seq_app, map_app. simpl. repeat f_equal; lia.
Qed.

Lemma range_app a b : 0 <= a -> 0 <= b -> range (a + b) = range a ++ map (Z.add a) (range b).
Proof.
intros A B. unfold range. rewrite Z2Nat.inj_add, seq_app, map_app by auto. f_equal.
rewrite Nat.add_0_l. rewrite <- (Nat.add_0_r (Z.to_nat a)) at 1. generalize 0%nat as s.
induction (Z.to_nat b) as [|n IH]; simpl; intro s; auto. f_equal; [lia|].
rewrite <- IH. f_equal; f_equal; lia.
Qed.

Lemma range_mul a b : 0 <= a -> 0 <= b ->
  range (a * b) = flat_map (fun d => map (Z.add (d * b)) (range b)) (range a).
Proof.
intros A B. pattern a; apply natlike_ind; auto.
intros x X IH. unfold Z.succ. rewrite range_last, flat_map_app, <- IH by auto. simpl.
rewrite app_nil_r. replace ((x + 1) * b) with (x * b + b) by ring. apply range_app; nia.
Qed.

Lemma map_flat_map A B C (f : B -> C) (g : A -> list B) l : map f (flat_map g l) = flat_map (fun x => map f (g x)) l.
Proof. induction l; simpl; auto. rewrite map_app; congruence. Qed.

Lemma size_nonneg fs : forallb whole fs = true -> 0 <= size fs.
Proof.
induction fs as [|f fs IH]; simpl; [lia|]. unfold whole at 1. rewrite !andb_true_iff, !Z.leb_le.
intros [[[_ H] _] K]. specialize (IH K). nia.
Qed.

Lemma ranks_of_cells fs : forallb whole fs = true -> map (rank fs) (cells fs) = range (size fs).
Proof.
induction fs as [|f fs IH]; simpl; auto. intro H; apply andb_true_iff in H; destruct H as [F H].
rewrite map_flat_map, range_mul; [|unfold whole in F; rewrite !andb_true_iff, !Z.leb_le in F; tauto|apply size_nonneg; auto].
apply flat_map_ext; intro d. rewrite map_map, <- (IH H), map_map. apply map_ext; intro ds; simpl; auto.
Qed.

Lemma cells_inbox fs ds : forallb whole fs = true -> In ds (cells fs) -> inbox fs ds.
Proof.
revert ds; induction fs as [|f fs IH]; simpl; intros ds H I.
- destruct I as [<-|[]]; constructor.
- apply andb_true_iff in H; destruct H as [F H]. apply in_flat_map in I; destruct I as (d & D & I).
  apply in_map_iff in I; destruct I as (es & <- & I). constructor; [|apply IH; auto].
  apply range_in in D. unfold whole in F. rewrite !andb_true_iff, !Z.leb_le in F. unfold inb; lia.
Qed.

(** Whole periods hold the same cells wherever one starts. *)
Lemma turn {R} (h : Z -> list R) p n : (forall a b, cong p a b -> h a = h b) -> 0 < p -> divides p n = true -> 0 <= n ->
  forall c, Permutation (flat_map (fun d => h (c + d)) (range n)) (flat_map h (range n)).
Proof.
intros H P D N.
assert (One : forall c, Permutation (flat_map (fun d => h (c + d)) (range n)) (flat_map (fun d => h (c + 1 + d)) (range n))).
{ intro c. destruct (Z.eq_dec n 0) as [->|Z0]; [apply Permutation_refl|].
  replace n with (n - 1 + 1) by ring. rewrite range_shift at 1 by lia. rewrite range_last by lia.
  rewrite flat_map_app. simpl. rewrite app_nil_r.
  replace (flat_map (fun d => h (c + d)) (map (Z.add 1) (range (n - 1)))) with
    (flat_map (fun d => h (c + 1 + d)) (range (n - 1))).
  - replace (h (c + 1 + (n - 1))) with (h (c + 0)); [apply Permutation_app_comm|].
    apply H. apply divides_ok in D; [|lia]. exists (- (n / p)). rewrite D at 1. ring.
  - induction (range (n - 1)) as [|a l IH]; simpl; auto. rewrite IH. f_equal. f_equal. ring. }
assert (Up : forall c, 0 <= c -> forall b,
  Permutation (flat_map (fun d => h (b + d)) (range n)) (flat_map (fun d => h (b + c + d)) (range n))).
{ intros c C. pattern c; apply natlike_ind; auto.
  - intro b. rewrite Z.add_0_r. apply Permutation_refl.
  - intros x X IH b. eapply Permutation_trans; [apply IH|]. unfold Z.succ. rewrite Z.add_assoc. apply One. }
intro c. change (flat_map h (range n)) with (flat_map (fun d => h d) (range n)).
rewrite (flat_map_ext (fun d => h d) (fun d => h (0 + d))) by (intro; f_equal; ring).
destruct (Z.le_ge_cases 0 c).
- apply Permutation_sym. apply (Up c); auto.
- pose proof (Up (- c) ltac:(lia) c) as U. replace (c + - c) with 0 in U by ring. auto.
Qed.

Theorem permuted {R} fs (u : list Z -> R) k : forallb whole fs = true -> invariant fs u ->
  Permutation (map (fun ds => u (names k fs ds)) (cells fs)) (map (fun ds => u (names 0 fs ds)) (cells fs)).
Proof.
revert u k; induction fs as [|f fs IH]; simpl; intros u k H I; [apply Permutation_refl|].
apply andb_true_iff in H; destruct H as [F H].
rewrite !map_flat_map.
set (h := fun n => map (fun ds => u (n :: names 0 fs ds)) (cells fs)).
assert (E : forall c k', Permutation
  (flat_map (fun d => map (fun ds => u (names k' (f :: fs) ds)) (map (cons d) (cells fs))) c)
  (flat_map (fun d => h (org f - k' * step f + d)) c)).
{ intros c k'. induction c as [|d c IHc]; simpl; [constructor|]. apply Permutation_app; auto.
  rewrite map_map. unfold h. simpl. replace (org f - k' * step f + d) with (name k' f d) by (unfold name; ring).
  apply (IH (fun ns => u (name k' f d :: ns))); auto.
  intros ns ms S. apply I; simpl; split; auto using cong_refl. }
eapply Permutation_trans; [apply E|]. eapply Permutation_trans; [|apply Permutation_sym, E].
unfold whole in F. rewrite !andb_true_iff, orb_true_iff, andb_true_iff, Z.eqb_eq, Z.ltb_lt, !Z.leb_le in F.
destruct F as [[_ L] [S|[P D]]].
- rewrite S, !Z.mul_0_r. apply Permutation_refl.
- assert (C : forall a b, cong (per f) a b -> h a = h b).
  { intros a b C. apply map_ext; intro. apply I; simpl; split; auto using same_refl. }
  eapply Permutation_trans; [apply (turn h (per f)); auto|apply Permutation_sym, (turn h (per f)); auto].
Qed.

(** reduce_sum, sort and the like over whole periods: what comes out stays. *)
Theorem mixed_local {R} fs (F : Z -> list R -> R) count : forallb whole fs = true -> commutative F ->
  local fs (still count) (mixed F (size fs)).
Proof.
intros H C. exists (fun u ns => F (hd 0 ns) (map (fun ds => u (names 0 fs ds)) (cells fs))). repeat split.
- intros u v E ns. f_equal. apply map_ext; auto.
- intros u I ns ms S. apply same_still in S; subst; auto.
- intros k w u I W es E. inversion E as [|? e ? es' Be E']; subst. inversion E'; subst.
  unfold mixed. rewrite <- ranks_of_cells, map_map by auto. simpl.
  replace (name k _ e) with (e * 1 + 0) by (unfold name; simpl; ring).
  rewrite (map_ext_in _ (fun ds => u (names k fs ds))); [apply C, permuted; auto|].
  intros ds D. apply W, cells_inbox; auto.
Qed.
