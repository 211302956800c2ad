(** Rules that look at several values or several axes: element-wise functions, broadcasts and transposes, reshapes,
    concatenations, and whatever a primitive makes of operands that stay. *)
From Coq Require Import ZArith List Lia Bool.
Require Import CertifierDomain CertifierAxis CertifierSums CertifierView.
Import ListNotations.
Open Scope Z_scope.

Section Rules.
Context {R : Type}.
Implicit Types (U : signal (R := R)) (V : family (R := R)).

(** several_operands, one_operand: out[i] = F(a[i], b[i], ...) of operands that are described by one state. *)
Theorem map_sound A (F : list R -> R) Us Vs : Forall2 (describes A) Us Vs ->
  describes A (fun m => F (map (fun U => U m) Us)) (fun k i => F (map (fun V => V k i) Vs)).
Proof.
intro H; split.
- intros m m' S. f_equal. induction H as [|U V Us Vs [I _] _ IH]; simpl; auto. f_equal; auto.
- intros k dss B. f_equal. induction H as [|U V Us Vs [_ S] _ IH]; simpl; auto. f_equal; auto.
Qed.

(** broadcast_in_dim, transpose, squeeze: axis p of the operand is axis `Some b` of the result, or its cell 0 is read. *)
Definition reindex (places : list (option nat)) (x : array R) : array R :=
  fun i => x (map (fun p => match p with Some b => nth b i 0 | None => 0 end) places).

Definition source (B : state) (fs : axis) (p : option nat) : Prop :=
  match p with Some b => (b < length B)%nat /\ nth b B [] = fs | None => forallb fixed fs = true end.

Lemma zeros fs k : forallb fixed fs = true ->
  inbox fs (map (fun _ => 0) fs) /\ rank fs (map (fun _ => 0) fs) = 0 /\
  names k fs (map (fun _ => 0) fs) = map org fs.
Proof.
induction fs as [|f fs IH]; simpl; [repeat split; constructor|].
intro H; apply andb_true_iff in H; destruct H as [F H]. destruct (IH H) as (B & Z & N).
rewrite Z, N. split; [|split; [ring|]].
- constructor; auto. apply fixed_inb; auto. unfold fixed in F; rewrite !andb_true_iff, Z.ltb_lt in F; lia.
- f_equal. unfold name. rewrite (fixed_step f F); ring.
Qed.

Theorem reindex_sound A B places U V : describes A U V -> Forall2 (source B) A places ->
  exists U', describes B U' (fun k => reindex places (V k)).
Proof.
intros [I S] H.
set (pull := fun (m : list (list Z)) (p : axis * option nat) =>
  match snd p with Some b => nth b m [] | None => map org (fst p) end).
exists (fun m => U (map (pull m) (combine A places))). split.
- intros m m' [L K]. apply I. split; [rewrite !map_length; auto|]. clear I S.
  induction H as [|fs p A places P H IH]; intros [|a]; simpl; auto.
  unfold pull. destruct p as [b|]; simpl; [|apply same_refl]. destruct P as [_ <-]; auto.
- intros k ess E. unfold reindex.
  set (digits := fun p : axis * option nat => match snd p with Some b => nth b ess [] | None => map (fun _ => 0) (fst p) end).
  assert (L : length B = length ess) by (apply inboxes_length; auto).
  assert (inboxes A (map digits (combine A places)) /\
    ranks A (map digits (combine A places)) =
      map (fun p => match p with Some b => nth b (ranks B ess) 0 | None => 0 end) places /\
    namess k A (map digits (combine A places)) = map (pull (namess k B ess)) (combine A places)) as (X & Y & Z).
  { clear I S. induction H as [|fs p A places P H (X & Y & Z)]; simpl; [repeat split; constructor|].
    rewrite Y, Z. unfold digits, pull. destruct p as [b|]; simpl in *.
    - destruct P as [Lb <-]. rewrite nth_ranks, nth_namess by auto. split; [constructor; auto|auto].
      apply nth_inboxes; auto.
    - destruct (zeros fs k P) as (Q & Rk & N). rewrite Rk, N. split; [constructor; auto|auto]. }
  rewrite <- Y, S, Z by auto. reflexivity.
Qed.

(** reshape: the cells of two neighbouring axes, in row-major order, cut elsewhere; c and c' cells in the second one. *)
Definition recut (a : nat) (c c' : Z) (x : array R) : array R :=
  fun i => let flat := nth a i 0 * c' + nth (S a) i 0 in x (setn a (flat / c) (setn (S a) (flat mod c) i)).

Lemma same_app fs gs ns ms ns' ms' : length ns = length fs -> same fs ns ms -> same gs ns' ms' ->
  same (fs ++ gs) (ns ++ ns') (ms ++ ms').
Proof.
revert ns ms; induction fs as [|f fs IH]; intros [|n ns] ms; simpl; try discriminate; intros L H K.
- subst; auto.
- destruct ms as [|m ms]; [discriminate|]. destruct H as [C H]; split; auto.
Qed.

Lemma same_parts fs gs ns ms : same (fs ++ gs) ns ms ->
  same fs (firstn (length fs) ns) (firstn (length fs) ms) /\ same gs (skipn (length fs) ns) (skipn (length fs) ms).
Proof.
revert ns ms; induction fs as [|f fs IH]; intros ns ms; simpl; [auto|].
destruct ns as [|n ns], ms as [|m ms]; simpl; try discriminate; intro H.
- split; auto using same_refl.
- destruct H as [C H]. destruct (IH ns ms H); auto.
Qed.

Theorem recut_sound a A (L1 L2 : axis) phi U V : describes A U V -> (S a < length A)%nat ->
  view (nth a A [] ++ nth (S a) A []) (L1 ++ L2) phi ->
  exists U', describes (setn a L1 (setn (S a) L2 A)) U'
    (fun k => recut a (size (nth (S a) A [])) (size L2) (V k)).
Proof.
intros [I Sh] La (P & Q & _). assert (La' : (a < length A)%nat) by lia.
set (fs := nth a A []) in *. set (hs := nth (S a) A []) in *. set (B := setn a L1 (setn (S a) L2 A) : state).
assert (NE : a <> S a) by lia.
assert (Ba : nth a B [] = L1) by (unfold B; rewrite nth_setn_same; [auto|rewrite setn_length; exact La']).
assert (Bs : nth (S a) B [] = L2)
  by (unfold B; rewrite nth_setn_other by auto; rewrite nth_setn_same; [auto|exact La]).
assert (Bo : forall b, b <> a -> b <> S a -> nth b B [] = nth b A [])
  by (intros; unfold B; rewrite !nth_setn_other; auto).
assert (LB : length B = length A) by (unfold B; rewrite !setn_length; auto).
assert (Back : setn a fs (setn (S a) hs B) = A).
{ apply (list_eq _ []); [rewrite !setn_length; auto|]. intro b.
  destruct (Nat.eq_dec b a) as [->|Na]; [rewrite nth_setn_same; [reflexivity|rewrite setn_length; unfold B; rewrite !setn_length; exact La']|].
  rewrite nth_setn_other by auto. destruct (Nat.eq_dec b (S a)) as [->|Ns].
  - rewrite nth_setn_same; [reflexivity|unfold B; rewrite !setn_length; exact La].
  - rewrite nth_setn_other; auto. }
set (back := fun (m : list (list Z)) ns =>
  setn a (firstn (length fs) ns) (setn (S a) (skipn (length fs) ns) m)).
exists (fun m => if Nat.eqb (length (nth a m [])) (length L1)
  then U (back m (phi (nth a m [] ++ nth (S a) m []))) else U []).
assert (Sames : forall m m' ns ms, sames B m m' -> same (fs ++ hs) ns ms -> sames A (back m ns) (back m' ms)).
{ intros m m' ns ms [KL K] H. apply same_parts in H; destruct H as [H1 H2]. unfold back.
  split; [rewrite !setn_length; auto|]. intro b.
  destruct (Nat.eq_dec b a) as [->|Na]; [|destruct (Nat.eq_dec b (S a)) as [->|Ns]].
  - apply same_set; auto. rewrite !setn_length; auto.
  - rewrite !(nth_setn_other _ a (S a)) by auto. apply same_set; auto.
  - rewrite !nth_setn_other by auto. specialize (K b). rewrite Bo in K; auto. }
split.
- intros m m' K. destruct K as [KL K]. pose proof (K a) as Ka. pose proof (K (S a)) as Ks. rewrite Ba in Ka. rewrite Bs in Ks.
  rewrite (same_length _ _ _ Ka). destruct (Nat.eqb_spec (length (nth a m' [])) (length L1)) as [E|]; [|auto].
  apply I. apply Sames; [split; auto|]. apply P. apply same_app; auto. rewrite (same_length _ _ _ Ka); auto.
- intros k ess E. unfold recut.
  assert (LE : length B = length ess) by (apply inboxes_length; auto).
  pose proof (nth_inboxes a _ _ E) as E1. pose proof (nth_inboxes (S a) _ _ E) as E2. rewrite Ba in E1. rewrite Bs in E2.
  set (e1 := nth a ess []) in *. set (e2 := nth (S a) ess []) in *.
  destruct (Q k (e1 ++ e2) (Forall2_app E1 E2)) as (ds & D & Rk & N).
  apply Forall2_app_inv_l in D. destruct D as (d1 & d2 & D1 & D2 & ->).
  pose proof (inbox_length _ _ D1) as G1. pose proof (inbox_length _ _ E1) as G2.
  rewrite !rank_app in Rk by auto. rewrite !names_app in N by auto.
  rewrite !nth_ranks by (auto; rewrite LB; lia). rewrite Ba, Bs. fold e1 e2. rewrite <- Rk.
  pose proof (inbox_size _ _ D2) as Bd.
  replace ((rank fs d1 * size hs + rank hs d2) / size hs) with (rank fs d1)
    by (rewrite Z.div_add_l, Z.div_small by lia; ring).
  replace ((rank fs d1 * size hs + rank hs d2) mod size hs) with (rank hs d2)
    by (rewrite Z.add_comm, Z.mod_add, Z.mod_small by lia; auto).
  rewrite <- (ranks_setn (S a) hs), <- (ranks_setn a fs), Back, Sh.
  + rewrite !nth_namess by auto. rewrite Ba, Bs. fold e1 e2.
    assert (LN : length (names k L1 e1) = length L1) by (apply names_length; auto).
    rewrite LN, Nat.eqb_refl. apply I.
    replace (namess k A (setn a d1 (setn (S a) d2 ess))) with (back (namess k B ess) (names k fs d1 ++ names k hs d2)).
    * apply Sames; auto using sames_refl.
    * unfold back. rewrite <- Back at 1. rewrite !namess_setn. f_equal; [|f_equal].
      -- rewrite firstn_app, names_length, Nat.sub_diag, app_nil_r by auto.
         rewrite <- (names_length k fs d1) by auto. apply firstn_all.
      -- rewrite skipn_app, names_length, Nat.sub_diag by auto.
         rewrite <- (names_length k fs d1) by auto. rewrite skipn_all. auto.
  + rewrite <- Back. apply inboxes_setn; auto. apply inboxes_setn; auto.
Qed.

(** concatenate: la cells of x along axis a, then y. *)
Definition cat (a : nat) (la : Z) (x y : array R) : array R :=
  fun i => if nth a i 0 <? la then x i else y (setn a (nth a i 0 - la) i).

Definition ahead (la lb : Z) (f : factor) : factor :=
  Factor (la + lb) (step f) (per f) (lower f) (Z.min (upper f) la) (org f).
Definition behind (la : Z) (f : factor) : factor :=
  Factor (la + len f) (step f) (per f) (lower f + la) (upper f + la) (org f - la).

Theorem cat_ahead a A f la lb U V W : describes A U V -> (a < length A)%nat -> nth a A [] = [f] ->
  describes (setn a [ahead la lb f] A) U (fun k => cat a la (V k) (W k)).
Proof.
intros D L N.
apply (describes_ext _ _ (fun k => along a (fun i w => w i) (V k))).
- apply along_same_signal; auto; rewrite N.
  + intros ns ms; simpl; auto.
  + intros k w u H es E. destruct (one_digit _ _ E) as (e & -> & B & ->).
    assert (J : inbox [f] [e]) by (constructor; auto; unfold inb, ahead, lower, upper in *; simpl in *; lia).
    specialize (H [e] J). simpl in H. rewrite Z.mul_1_r, Z.add_0_r in H. exact H.
- intros k ess E. unfold along, cat. rewrite setn_nth.
  rewrite nth_ranks by (apply inboxes_length; auto). pose proof (nth_inboxes a _ _ E) as K.
  rewrite nth_setn_same in * by auto. destruct (one_digit _ _ K) as (e & _ & B & ->).
  replace (e <? la) with true; auto. symmetry; apply Z.ltb_lt. unfold inb, ahead in B; simpl in B; lia.
Qed.

Theorem cat_behind a A f la U V W : describes A U V -> (a < length A)%nat -> nth a A [] = [f] ->
  describes (setn a [behind la f] A) U (fun k => cat a la (W k) (V k)).
Proof.
intros D L N.
apply (describes_ext _ _ (fun k => along a (fun i w => w (i - la)) (V k))).
- apply along_same_signal; auto; rewrite N.
  + intros ns ms; simpl; auto.
  + intros k w u H es E. destruct (one_digit _ _ E) as (e & -> & B & ->).
    assert (J : inbox [f] [e - la]) by (constructor; auto; unfold inb, behind, lower, upper in *; simpl in *; lia).
    specialize (H [e - la] J). simpl in H. rewrite Z.mul_1_r, Z.add_0_r in H. rewrite H.
    simpl. f_equal. f_equal. unfold name; simpl. ring.
- intros k ess E. unfold along, cat.
  rewrite nth_ranks by (apply inboxes_length; auto). pose proof (nth_inboxes a _ _ E) as K.
  rewrite nth_setn_same in * by auto. destruct (one_digit _ _ K) as (e & _ & B & ->).
  replace (e <? la) with false; auto. symmetry; apply Z.ltb_ge.
  unfold inb, behind, lower, upper in B; simpl in B; lia.
Qed.

(** Neighbouring windows of one signal are one longer window of it. *)
Theorem windows_join a A f g U V : describes (setn a [f] A) U V -> describes (setn a [g] A) U V -> (a < length A)%nat ->
  len f = len g -> step f = step g -> per f = per g -> cong (per f) (org f) (org g) -> lo g <= hi f ->
  describes (setn a [Factor (len f) (step f) (per f) (lo f) (hi g) (org f)] A) U V.
Proof.
intros [I S] [_ T] L El Es Ep C H. set (h := Factor _ _ _ _ _ _).
assert (Rp : repeats (setn a [h] A) U).
{ intros m m' [KL K]. apply I. split; auto. intro b. specialize (K b). destruct (Nat.eq_dec a b) as [<-|N].
  - rewrite nth_setn_same in * by auto. exact K.
  - rewrite nth_setn_other in * by auto. exact K. }
split; auto. intros k ess E.
pose proof (nth_inboxes a _ _ E) as K. rewrite nth_setn_same in K by auto.
destruct (one_digit _ _ K) as (e & Ee & B & _).
assert (Other : forall q, inb q e -> inboxes (setn a [q] A) ess /\ ranks (setn a [q] A) ess = ranks (setn a [h] A) ess).
{ intros q Q. assert (X : setn a [e] ess = ess) by (rewrite <- Ee; apply setn_nth). split.
  - rewrite <- X. rewrite <- (setn_setn _ a [q] [h] A). apply inboxes_setn; auto. constructor; [auto|constructor].
  - rewrite <- X, !ranks_setn. simpl. reflexivity. }
unfold inb, h in B; simpl in B.
destruct (Z.lt_ge_cases e (hi f)) as [Lt|Ge].
- destruct (Other f) as [X Y]; [unfold inb; lia|]. rewrite <- Y, S by auto. apply Rp.
  assert (Z : setn a [e] ess = ess) by (rewrite <- Ee; apply setn_nth).
  rewrite <- Z, !namess_setn. apply sames_refl.
- destruct (Other g) as [X Y]; [unfold inb; lia|]. rewrite <- Y, T by auto. apply Rp.
  assert (Z : setn a [e] ess = ess) by (rewrite <- Ee; apply setn_nth).
  rewrite <- Z, !namess_setn. apply (sames_setn a [h]).
  + rewrite setn_setn. apply sames_refl.
  + rewrite nth_setn_same by auto. simpl. split; auto. destruct C as [q Q]. exists (- q).
    unfold name, h; simpl. rewrite Es. lia.
Qed.

(** Along an axis that stays in both, the others alike. *)
Theorem cat_still a A B C la lb U W V X : describes A U V -> describes B W X -> (a < length C)%nat ->
  A = setn a (nth a A []) C -> B = setn a (nth a B []) C ->
  forallb fixed (nth a A []) = true -> forallb fixed (nth a B []) = true ->
  size (nth a A []) = la -> size (nth a B []) = lb ->
  exists U', describes (setn a (still (la + lb)) C) U' (fun k => cat a la (V k) (X k)).
Proof.
intros DA DB L EA EB FA FB SA SB.
assert (LA : (a < length A)%nat) by (rewrite EA, setn_length; auto).
assert (LB : (a < length B)%nat) by (rewrite EB, setn_length; auto).
destruct (along_sound a A (still la) (fun i w => w i) U V DA LA) as [U1 D1].
{ apply local_still; auto. intros i w w' I H. apply H. rewrite SA; auto. }
destruct (along_sound a B (still lb) (fun i w => w i) W X DB LB) as [U2 D2].
{ apply local_still; auto. intros i w w' I H. apply H. rewrite SB; auto. }
rewrite EA, setn_setn in D1. rewrite EB, setn_setn in D2.
exists (fun m => if hd 0 (nth a m []) <? la then U1 m else U2 (setn a [hd 0 (nth a m []) - la] m)). split.
- intros m m' K. pose proof (proj2 K a) as Ka. rewrite nth_setn_same in Ka by auto. apply same_still in Ka. rewrite Ka.
  assert (KA : forall n, sames (setn a (still n) C) m m').
  { intro n. destruct K as [KL K]. split; auto. intro b. specialize (K b).
    destruct (Nat.eq_dec a b) as [<-|N].
    - rewrite Ka. apply same_refl.
    - rewrite nth_setn_other in * by auto. auto. }
  destruct (_ <? la); [apply (proj1 D1), KA|]. apply (proj1 D2).
  apply (sames_setn a (still lb)); [|apply same_refl]. rewrite setn_setn. apply KA.
- intros k ess E. unfold cat. rewrite nth_ranks, nth_namess by (apply inboxes_length; auto).
  pose proof (nth_inboxes a _ _ E) as K. rewrite nth_setn_same in * by auto.
  destruct (one_digit _ _ K) as (e & Ee & J & Re0). change [_] with (still (la + lb)) in Re0. rewrite Re0, Ee. simpl.
  assert (J0 : 0 <= e < la + lb) by (unfold inb in J; simpl in J; lia).
  replace (name k (Factor (la + lb) 0 0 0 (la + lb) 0) e) with e by (unfold name; simpl; ring).
  assert (Z : setn a [e] ess = ess) by (rewrite <- Ee; apply setn_nth).
  assert (Move : forall n d, 0 <= d < n -> inboxes (setn a (still n) C) (setn a [d] ess) /\
    ranks (setn a (still n) C) (setn a [d] ess) = setn a d (ranks (setn a (still (la + lb)) C) ess) /\
    namess k (setn a (still n) C) (setn a [d] ess) = setn a [d] (namess k (setn a (still (la + lb)) C) ess)).
  { intros n d Hd. rewrite <- (setn_setn _ a (still n) (still (la + lb)) C). repeat split.
    - apply inboxes_setn; auto. constructor; [|constructor]. unfold inb; simpl; lia.
    - rewrite ranks_setn. simpl. rewrite Z.mul_1_r, Z.add_0_r. reflexivity.
    - rewrite namess_setn. simpl. repeat f_equal. unfold name; simpl; ring. }
  destruct (Z.ltb_spec e la) as [Lt|Ge].
  + destruct (Move la e ltac:(lia)) as (B1 & R1 & N1). rewrite Z in *.
    pose proof (proj2 D1 k ess B1) as Q. unfold along in Q.
    rewrite nth_ranks in Q by (apply inboxes_length; auto). rewrite nth_setn_same in Q by auto. rewrite Ee in Q. simpl in Q.
    rewrite Z.mul_1_r, Z.add_0_r in Q.
    rewrite R1, setn_setn in Q. rewrite N1 in Q.
    assert (Ne : nth a (namess k (setn a (still (la + lb)) C) ess) [] = [e]).
    { rewrite nth_namess, nth_setn_same, Ee by (auto; apply inboxes_length; auto). simpl. unfold name; simpl. f_equal; ring. }
    assert (Re : nth a (ranks (setn a (still (la + lb)) C) ess) 0 = e).
    { rewrite nth_ranks, nth_setn_same, Ee by (auto; apply inboxes_length; auto). simpl. ring. }
    rewrite <- Ne in Q. rewrite setn_nth in Q. rewrite <- Re in Q at 1. rewrite setn_nth in Q. exact Q.
  + destruct (Move lb (e - la) ltac:(lia)) as (B2 & R2 & N2).
    pose proof (proj2 D2 k _ B2) as Q. unfold along in Q.
    rewrite nth_ranks in Q by (apply inboxes_length; auto). rewrite nth_setn_same in Q by auto.
    rewrite nth_setn_same in Q by (rewrite <- (inboxes_length _ _ E), setn_length; auto). simpl in Q.
    rewrite Z.mul_1_r, Z.add_0_r in Q.
    rewrite R2, setn_setn, N2 in Q. exact Q.
Qed.

End Rules.
