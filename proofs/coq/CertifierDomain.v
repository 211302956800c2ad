(** The certifier's abstract domain (jaxconv/verify/domain.py), stated semantically.

    An array is a function of its index vector. A value of a program is a family of arrays, one for each integer k: the
    value when the scene behind the input is shifted by k*s cells, s fixed. A state says of each axis, factor by factor,
    that the family is a window of one signal U: cell d of a factor shows the signal's cell org + d - k*step in run k,
    for d in [lo, hi). The signal repeats after `per` cells; per = 0 says that nothing repeats, since then two names are
    congruent only if they are equal. So interior and cyclic walks, and factors that move, stay, are periodic, uniform or
    arbitrary, are all one definition:

      moves, interior   step <> 0, per = 0          stays, arbitrary   step = 0, per = 0
      moves, cyclic     step <> 0, per = N / |rate| stays, uniform     step = 0, per = 1   (periodic: per = p) *)
From Coq Require Import ZArith List Lia Bool.
Import ListNotations.
Open Scope Z_scope.
Arguments Z.mul : simpl never.
Arguments Z.add : simpl never.
Arguments Z.sub : simpl never.
Arguments Z.eqb : simpl never.

Record factor := Factor { len : Z; step : Z; per : Z; lo : Z; hi : Z; org : Z }.

(** An axis is a product of factors, major first. *)
Definition axis := list factor.

Definition inb (f : factor) (d : Z) : Prop := 0 <= d < len f /\ lo f <= d < hi f.
Definition name (k : Z) (f : factor) (d : Z) : Z := org f + d - k * step f.
Definition cong (p a b : Z) : Prop := (p | a - b).

Fixpoint size (fs : axis) : Z := match fs with [] => 1 | f :: fs => len f * size fs end.
Fixpoint rank (fs : axis) (ds : list Z) : Z :=
  match fs, ds with f :: fs, d :: ds => d * size fs + rank fs ds | _, _ => 0 end.
Fixpoint names (k : Z) (fs : axis) (ds : list Z) : list Z :=
  match fs, ds with f :: fs, d :: ds => name k f d :: names k fs ds | _, _ => [] end.
Definition inbox : axis -> list Z -> Prop := Forall2 inb.

(** Two lists of names that show the same cell of the signal; always reflexive, also on ill-formed lists. *)
Fixpoint same (fs : axis) (ns ms : list Z) : Prop :=
  match fs, ns, ms with
  | f :: fs, n :: ns, m :: ms => cong (per f) n m /\ same fs ns ms
  | _, _, _ => ns = ms
  end.

Lemma cong_refl p a : cong p a a.
Proof. exists 0; lia. Qed.

Lemma same_refl fs ns : same fs ns ns.
Proof. revert ns; induction fs; intros [|n ns]; simpl; auto using cong_refl. Qed.

Lemma inbox_length fs ds : inbox fs ds -> length fs = length ds.
Proof. induction 1; simpl; auto. Qed.

Lemma inbox_size fs ds : inbox fs ds -> 0 <= rank fs ds < size fs.
Proof.
induction 1 as [|f d fs ds [H _] _ IH]; simpl; [lia|].
nia.
Qed.

Lemma size_app fs gs : size (fs ++ gs) = size fs * size gs.
Proof. induction fs as [|f fs IH]; simpl; [|rewrite IH]; ring. Qed.

Lemma rank_app fs gs ds es : length fs = length ds ->
  rank (fs ++ gs) (ds ++ es) = rank fs ds * size gs + rank gs es.
Proof.
revert ds; induction fs as [|f fs IH]; intros [|d ds]; simpl; try discriminate; intro L; [ring|].
rewrite IH, size_app by lia; ring.
Qed.

Lemma names_app k fs gs ds es : length fs = length ds ->
  names k (fs ++ gs) (ds ++ es) = names k fs ds ++ names k gs es.
Proof.
revert ds; induction fs as [|f fs IH]; intros [|d ds]; simpl; try discriminate; auto; intro L; f_equal; auto.
Qed.

Lemma names_length k fs ds : length fs = length ds -> length (names k fs ds) = length fs.
Proof. revert ds; induction fs as [|f fs IH]; intros [|d ds]; simpl; try discriminate; auto. Qed.

Lemma same_trans fs ns ms ls : same fs ns ms -> same fs ms ls -> same fs ns ls.
Proof.
revert ns ms ls; induction fs as [|f fs IH]; intros [|n ns] [|m ms] [|l ls]; simpl; try congruence; auto.
intros [[q Q] S] [[r T] K]; split; [exists (q + r); lia|eauto].
Qed.

Lemma same_length fs ns ms : same fs ns ms -> length ns = length ms.
Proof.
revert ns ms; induction fs as [|f fs IH]; intros [|n ns] [|m ms]; simpl; try congruence; auto.
intros [_ H]; auto.
Qed.

(** * Lists of axes: everything is said by [nth], which is total *)

Fixpoint setn {A} (a : nat) (x : A) (l : list A) : list A :=
  match a, l with
  | _, [] => []
  | O, _ :: l => x :: l
  | S a, y :: l => y :: setn a x l
  end.

Lemma setn_length A a (x : A) l : length (setn a x l) = length l.
Proof. revert l; induction a as [|a IH]; intros [|y l]; simpl; auto. Qed.

Lemma nth_setn_same A a (x d : A) l : (a < length l)%nat -> nth a (setn a x l) d = x.
Proof. revert l; induction a as [|a IH]; intros [|y l]; simpl; intros; try lia; auto with arith. Qed.

Lemma nth_setn_other A a b (x d : A) l : a <> b -> nth b (setn a x l) d = nth b l d.
Proof.
revert b l; induction a as [|a IH]; intros [|b] [|y l]; simpl; intros; auto; try lia.
Qed.

Lemma setn_over A a (x : A) l : (length l <= a)%nat -> setn a x l = l.
Proof. revert l; induction a as [|a IH]; intros [|y l]; simpl; intros; auto; try lia. f_equal; apply IH; lia. Qed.

Lemma list_eq A (d : A) l m : length l = length m -> (forall a, nth a l d = nth a m d) -> l = m.
Proof. intros L H; apply (nth_ext _ _ d d L); intros; apply H. Qed.

Lemma setn_nth A a (d : A) l : setn a (nth a l d) l = l.
Proof. revert l; induction a as [|a IH]; intros [|y l]; simpl; f_equal; auto. Qed.

Lemma setn_setn A a (x y : A) l : setn a x (setn a y l) = setn a x l.
Proof. revert l; induction a as [|a IH]; intros [|z l]; simpl; f_equal; auto. Qed.

Definition state := list axis.
Definition array (R : Type) := list Z -> R.

Fixpoint ranks (A : state) (dss : list (list Z)) : list Z :=
  match A, dss with fs :: A, ds :: dss => rank fs ds :: ranks A dss | _, _ => [] end.
Fixpoint namess (k : Z) (A : state) (dss : list (list Z)) : list (list Z) :=
  match A, dss with fs :: A, ds :: dss => names k fs ds :: namess k A dss | _, _ => [] end.
Definition inboxes : state -> list (list Z) -> Prop := Forall2 inbox.
Definition sames (A : state) (nss mss : list (list Z)) : Prop :=
  length nss = length mss /\ forall a, same (nth a A []) (nth a nss []) (nth a mss []).

Lemma sames_refl A nss : sames A nss nss.
Proof. split; auto using same_refl. Qed.

Lemma inboxes_length A dss : inboxes A dss -> length A = length dss.
Proof. induction 1; simpl; auto. Qed.

Lemma nth_ranks a A dss : length A = length dss -> nth a (ranks A dss) 0 = rank (nth a A []) (nth a dss []).
Proof.
revert A dss; induction a as [|a IH]; intros [|fs A] [|ds dss]; simpl; try discriminate; auto.
Qed.

Lemma nth_namess k a A dss : length A = length dss ->
  nth a (namess k A dss) [] = names k (nth a A []) (nth a dss []).
Proof.
revert A dss; induction a as [|a IH]; intros [|fs A] [|ds dss]; simpl; try discriminate; auto.
Qed.

Lemma nth_inboxes a A dss : inboxes A dss -> inbox (nth a A []) (nth a dss []).
Proof.
intro H; revert a; induction H as [|fs ds A dss H _ IH]; intros [|a]; simpl; auto; constructor.
Qed.

Lemma inboxes_setn a fs ds A dss : inboxes A dss -> inbox fs ds -> inboxes (setn a fs A) (setn a ds dss).
Proof.
intros H K; revert a; induction H as [|gs es A dss G H IH]; intros [|a]; simpl; constructor; auto.
apply IH.
Qed.

Lemma ranks_setn a fs ds A dss :
  ranks (setn a fs A) (setn a ds dss) = setn a (rank fs ds) (ranks A dss).
Proof. revert A dss; induction a as [|a IH]; intros [|gs A] [|es dss]; simpl; f_equal; auto. Qed.

Lemma namess_setn k a fs ds A dss :
  namess k (setn a fs A) (setn a ds dss) = setn a (names k fs ds) (namess k A dss).
Proof. revert A dss; induction a as [|a IH]; intros [|gs A] [|es dss]; simpl; f_equal; auto. Qed.

Lemma same_set fs a ns ms nss mss : length nss = length mss -> same fs ns ms ->
  same fs (nth a (setn a ns nss) []) (nth a (setn a ms mss) []).
Proof.
intros L S. destruct (Nat.lt_ge_cases a (length nss)).
- rewrite nth_setn_same, nth_setn_same by lia; auto.
- rewrite !setn_over, (nth_overflow nss), (nth_overflow mss) by lia; apply same_refl.
Qed.

Lemma sames_setn a fs A nss mss ns ms : sames (setn a fs A) nss mss -> same (nth a A []) ns ms ->
  sames A (setn a ns nss) (setn a ms mss).
Proof.
intros [L H] S; split; [rewrite !setn_length; auto|]. intro b.
destruct (Nat.eq_dec a b) as [<-|N].
- apply same_set; auto.
- rewrite !nth_setn_other by auto. specialize (H b). rewrite nth_setn_other in H; auto.
Qed.

(** * What a state says of a family of arrays *)

Section Describes.
Context {R : Type}.
Definition signal := list (list Z) -> R.
Definition family := Z -> array R.

Definition repeats (A : state) (U : signal) : Prop := forall nss mss, sames A nss mss -> U nss = U mss.
Definition shows (A : state) (U : signal) (V : family) : Prop :=
  forall k dss, inboxes A dss -> V k (ranks A dss) = U (namess k A dss).
Definition describes (A : state) (U : signal) (V : family) : Prop := repeats A U /\ shows A U V.

(** One signal, and one axis of it seen by itself. *)
Definition invariant (fs : axis) (u : list Z -> R) : Prop := forall ns ms, same fs ns ms -> u ns = u ms.

(** A rule along one axis. G makes cell i of the result's axis out of the operand's cells along its own. *)
Definition local (fs gs : axis) (G : Z -> (Z -> R) -> R) : Prop :=
  exists F : (list Z -> R) -> list Z -> R,
    (forall u v, (forall n, u n = v n) -> forall n, F u n = F v n) /\
    (forall u, invariant fs u -> invariant gs (F u)) /\
    (forall k w u, invariant fs u -> (forall ds, inbox fs ds -> w (rank fs ds) = u (names k fs ds)) ->
       forall es, inbox gs es -> G (rank gs es) w = F u (names k gs es)).

Definition along (a : nat) (G : Z -> (Z -> R) -> R) (x : array R) : array R :=
  fun i => G (nth a i 0) (fun q => x (setn a q i)).

Lemma other_axes a A U V gs k ess : describes A U V -> inboxes (setn a gs A) ess -> (a < length A)%nat ->
  forall ds, inbox (nth a A []) ds ->
  V k (setn a (rank (nth a A []) ds) (ranks (setn a gs A) ess)) =
  U (setn a (names k (nth a A []) ds) (namess k (setn a gs A) ess)).
Proof.
intros [_ S] H L ds D.
rewrite <- ranks_setn, <- namess_setn, setn_setn, setn_nth. apply S.
rewrite <- (setn_nth _ a [] A), <- (setn_setn _ a _ gs A).
apply inboxes_setn; auto.
Qed.

Theorem along_sound a A gs G U V : describes A U V -> (a < length A)%nat -> local (nth a A []) gs G ->
  exists U', describes (setn a gs A) U' (fun k => along a G (V k)).
Proof.
intros D L (F & E & I & S).
exists (fun m => F (fun n => U (setn a n m)) (nth a m [])).
assert (Inv : forall m, invariant (nth a A []) (fun n => U (setn a n m))).
{ intros m ns ms H. apply (proj1 D). apply (sames_setn a (nth a A [])); auto.
  rewrite setn_nth; apply sames_refl. }
split.
- intros m m' H. cbv beta.
  transitivity (F (fun n => U (setn a n m')) (nth a m [])).
  + apply E; intro n. apply (proj1 D). apply (sames_setn a gs); auto using same_refl.
  + apply I; [apply Inv|]. destruct H as [_ H]. specialize (H a). rewrite nth_setn_same in H; auto.
- intros k ess H. unfold along.
  assert (LE : length (setn a gs A) = length ess) by (apply inboxes_length; auto).
  rewrite nth_ranks, nth_namess, nth_setn_same by auto.
  apply S; [apply Inv| |].
  + intros ds D'. apply (other_axes a A U V gs k ess); auto.
  + pose proof (nth_inboxes a _ _ H) as K. rewrite nth_setn_same in K; auto.
Qed.

(** The same where the signal stays what it was: slices and joined windows keep its identity. *)
Theorem along_same_signal a A gs G U V : describes A U V -> (a < length A)%nat ->
  (forall ns ms, same gs ns ms -> same (nth a A []) ns ms) ->
  (forall k w u, (forall ds, inbox (nth a A []) ds -> w (rank (nth a A []) ds) = u (names k (nth a A []) ds)) ->
     forall es, inbox gs es -> G (rank gs es) w = u (names k gs es)) ->
  describes (setn a gs A) U (fun k => along a G (V k)).
Proof.
intros D L P S. split.
- intros m m' [HL H]. apply (proj1 D). split; auto. intro b. specialize (H b).
  destruct (Nat.eq_dec a b) as [<-|N].
  + rewrite nth_setn_same in H; auto.
  + rewrite nth_setn_other in H; auto.
- intros k ess H. unfold along.
  assert (LE : length (setn a gs A) = length ess) by (apply inboxes_length; auto).
  rewrite nth_ranks, nth_setn_same by auto.
  rewrite (S k _ (fun ns => U (setn a ns (namess k (setn a gs A) ess)))).
  + f_equal. rewrite <- (nth_setn_same _ a gs [] A) at 1 by auto.
    rewrite <- nth_namess by auto. apply setn_nth.
  + intros ds D'. apply (other_axes a A U V gs k ess); auto.
  + pose proof (nth_inboxes a _ _ H) as K. rewrite nth_setn_same in K; auto.
Qed.

(** * Views: one family of arrays, described by other factors *)

Definition view (fs gs : axis) (phi : list Z -> list Z) : Prop :=
  (forall ns ms, same gs ns ms -> same fs (phi ns) (phi ms)) /\
  (forall k es, inbox gs es ->
     exists ds, inbox fs ds /\ rank fs ds = rank gs es /\ same fs (names k fs ds) (phi (names k gs es))) /\
  size fs = size gs.

Lemma view_refl fs : view fs fs (fun ns => ns).
Proof. repeat split; auto. intros k es H; exists es; auto using same_refl. Qed.

Lemma view_trans fs gs hs phi psi : view fs gs phi -> view gs hs psi -> view fs hs (fun ns => phi (psi ns)).
Proof.
intros (S1 & B1 & Z1) (S2 & B2 & Z2); repeat split; auto; [|congruence].
intros k es H. destruct (B2 k es H) as (ds & D & Rk & N). destruct (B1 k ds D) as (cs & C & Rk' & N').
exists cs; repeat split; [auto|congruence|]. eapply same_trans; [apply N'|]. auto.
Qed.

Lemma view_local fs gs phi : view fs gs phi -> local fs gs (fun i w => w i).
Proof.
intros (S & B & _). exists (fun u ns => u (phi ns)). repeat split; auto.
- intros u I ns ms H; apply I, S, H.
- intros k w u I H es E. destruct (B k es E) as (ds & D & <- & N). rewrite H by auto. apply I; auto.
Qed.

(** Describing a family again, on the positions that a state is about, suffices. *)
Lemma describes_ext A U V W : describes A U V ->
  (forall k dss, inboxes A dss -> V k (ranks A dss) = W k (ranks A dss)) -> describes A U W.
Proof. intros [I S] E; split; auto. intros k dss H; rewrite <- E, S; auto. Qed.

Theorem view_sound a A gs phi U V : describes A U V -> (a < length A)%nat -> view (nth a A []) gs phi ->
  exists U', describes (setn a gs A) U' V.
Proof.
intros D L H. destruct (along_sound a A gs _ U V D L (view_local _ _ _ H)) as [U' [I S]].
exists U'; split; auto. intros k ess E. rewrite <- S by auto. unfold along. rewrite setn_nth; auto.
Qed.

End Describes.
