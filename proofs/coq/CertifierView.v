(** Views: how the factors of an axis may be cut, joined, and described by less (axes.py: split, cut, tidy, meet). *)
From Coq Require Import ZArith List Lia Bool.
Require Import CertifierDomain CertifierAxis CertifierSums.
Import ListNotations.
Open Scope Z_scope.

Lemma divides_divide a b : divides a b = true -> (a | b).
Proof.
unfold divides; intro H; apply Z.eqb_eq in H. destruct (Z.eq_dec a 0) as [->|N].
- rewrite Zmod_0_r in H. subst; exists 0; ring.
- apply Z.mod_divide; auto.
Qed.

Lemma view_cons f fs gs phi : view fs gs phi ->
  view (f :: fs) (f :: gs) (fun ns => match ns with n :: ns => n :: phi ns | [] => [] end).
Proof.
intros (S & B & Z). split; [|split].
- intros [|n ns] [|m ms]; simpl; try discriminate; auto. intros [C H]; auto.
- intros k es E. inversion E as [|? e ? es' I E']; subst. destruct (B k es' E') as (ds & D & R & N).
  exists (e :: ds). simpl. rewrite R, Z. repeat split; auto using cong_refl. constructor; auto.
- simpl; congruence.
Qed.

(** Described by less: the same cells at a step that differs by whole periods, a longer period, a smaller region. *)
Definition weakens (f g : factor) : bool :=
  (len f =? len g) && divides (per f) (per g) && divides (per f) (step f - step g) &&
  ((upper g <=? lower g) || ((lower f <=? lower g) && (upper g <=? upper f))).

Theorem weakens_view f g fs gs phi : weakens f g = true -> view fs gs phi ->
  view (f :: fs) (g :: gs) (fun ns => match ns with n :: ns => n + (org f - org g) :: phi ns | [] => [] end).
Proof.
unfold weakens. rewrite !andb_true_iff, orb_true_iff, andb_true_iff, Z.eqb_eq, !Z.leb_le. intros [[[L P] T] Rg] (S & B & Z).
apply divides_divide in P. apply divides_divide in T. destruct P as [p P], T as [t T].
split; [|split].
- intros [|n ns] [|m ms]; simpl; try discriminate; auto. intros [[q Q] H]; split; auto.
  exists (q * p). rewrite P in Q. lia.
- intros k es E. inversion E as [|? e ? es' I E']; subst. destruct (B k es' E') as (ds & D & R & N).
  exists (e :: ds). simpl. rewrite R, Z. split; [|split; [reflexivity|split; auto]].
  + constructor; auto. unfold inb, lower, upper in *; lia.
  + exists (- (k * t)). unfold name. nia.
- simpl; congruence.
Qed.

(** An axis of a*b cells as one of a and one of b. What moves is then seen at a coarser rate. *)
Definition cut (f : factor) (b : Z) : option (factor * factor) :=
  if (b <=? 0) || negb (divides b (len f)) then None else
  if fixed f && divides (per f) b && (0 <? per f)
  then Some (Factor (len f / b) 0 1 0 (len f / b) 0, Factor b 0 (per f) 0 b (org f))
  else if divides b (step f) && divides b (per f)
  then Some (Factor (len f / b) (step f / b) (per f / b) (- (- lower f / b)) (upper f / b) (org f / b),
             Factor b 0 0 0 b 0)
  else None.

Theorem cut_view f b g h fs : cut f b = Some (g, h) -> exists phi, view (f :: fs) (g :: h :: fs) phi.
Proof.
unfold cut. destruct (Z.leb_spec b 0) as [|P]; simpl; [discriminate|].
destruct (divides b (len f)) eqn:L; simpl; [|discriminate]. apply divides_ok in L; [|lia].
destruct (fixed f && divides (per f) b && (0 <? per f)) eqn:F.
- intro E; injection E as <- <-. apply andb_true_iff in F; destruct F as [F P']. apply andb_true_iff in F.
  destruct F as [F D]. apply divides_divide in D. apply Z.ltb_lt in P'.
  exists (fun ns => match ns with n :: m :: ns => m :: ns | _ => [] end). split; [|split].
  + intros [|n [|n' ns]] [|m [|m' ms]]; simpl; try discriminate; auto; intros [_ H]; try discriminate; auto.
  + intros k es E. inversion E as [|? e ? es' I E']; subst. inversion E' as [|? d ? ds J E'']; subst.
    unfold inb in I, J; simpl in I, J.
    exists (e * b + d :: ds). simpl. split; [|split; [ring|split; [|apply same_refl]]].
    * constructor; auto. apply fixed_inb; auto. nia.
    * destruct D as [q Q]. exists (e * q). unfold name; simpl. rewrite (fixed_step f F). nia.
  + simpl. rewrite L at 1. ring.
- destruct (divides b (step f) && divides b (per f)) eqn:G; [|discriminate].
  intro E; injection E as <- <-. apply andb_true_iff in G; destruct G as [T R].
  apply divides_ok in T; [|lia]. apply divides_ok in R; [|lia].
  exists (fun ns => match ns with n :: m :: ns => b * n + m + org f mod b :: ns | _ => [] end). split; [|split].
  + intros [|n [|n' ns]] [|m [|m' ms]]; simpl; try discriminate; auto.
    * intros [_ H]; discriminate.
    * intros [_ H]; discriminate.
    * intros [[q Q] [[r S] H]]; split; auto. exists q. rewrite R. nia.
  + intros k es E. inversion E as [|? e ? es' I E']; subst. inversion E' as [|? d ? ds J E'']; subst.
    unfold inb in I, J; simpl in I, J.
    pose proof (Z.mul_div_le (- lower f) b P). pose proof (Z.mul_div_le (upper f) b P).
    exists (e * b + d :: ds). simpl. split; [|split; [ring|split; [|apply same_refl]]].
    * constructor; auto. unfold inb, lower, upper in *. nia.
    * exists 0. unfold name; simpl. pose proof (Z.div_mod (org f) b ltac:(lia)). rewrite T at 1. nia.
  + simpl. rewrite L at 1. ring.
Qed.

(** A factor and the one below it as one, if that one stays. *)
Definition join (f g : factor) : factor :=
  if fixed f && (per f =? 1) && (per g =? 1) then Factor (len f * len g) 0 1 0 (len f * len g) 0 else
  let b := len g in Factor (len f * b) (step f * b) (per f * b) (lower f * b) (upper f * b) (org f * b).

Theorem join_view f g fs : fixed g = true -> exists phi, view (f :: g :: fs) (join f g :: fs) phi.
Proof.
intro G. assert (P : 0 < len g) by (unfold fixed in G; rewrite !andb_true_iff, Z.ltb_lt in G; tauto).
assert (Cells : forall e, 0 <= e < len f * len g -> 0 <= e / len g < len f /\ inb g (e mod len g) /\
  e = e / len g * len g + e mod len g).
{ intros e E. pose proof (Z.mod_pos_bound e _ P). pose proof (Z.div_mod e (len g) ltac:(lia)).
  split; [|split; [apply fixed_inb; auto|lia]]. split; [apply Z.div_pos; lia|apply Z.div_lt_upper_bound; lia]. }
unfold join. destruct (fixed f && (per f =? 1) && (per g =? 1)) eqn:U.
- apply andb_true_iff in U; destruct U as [U Pg]. apply andb_true_iff in U; destruct U as [F Pf].
  apply Z.eqb_eq in Pg. apply Z.eqb_eq in Pf.
  exists (fun ns => match ns with n :: ns => 0 :: 0 :: ns | [] => [] end). split; [|split].
  + intros [|n ns] [|m ms]; simpl; try discriminate; auto. intros [_ H].
    split; [apply cong_refl|split; [apply cong_refl|exact H]].
  + intros k es E. inversion E as [|? e ? es' I E']; subst. destruct I as [I _]; simpl in I.
    destruct (Cells e I) as (A & B & C).
    exists (e / len g :: e mod len g :: es'). simpl. split; [|split; [lia|]].
    * constructor; [apply fixed_inb; auto|constructor; auto].
    * rewrite Pf, Pg. split; [exists (name k f (e / len g)); ring|split; [exists (name k g (e mod len g)); ring|]].
      apply same_refl.
  + simpl; ring.
- exists (fun ns => match ns with n :: ns => n / len g :: org g + n mod len g :: ns | [] => [] end). split; [|split].
  + intros [|n ns] [|m ms]; simpl; try discriminate; auto. intros [[q Q] H].
    replace n with (m + (q * per f) * len g) by lia. rewrite Z.div_add, Z.mod_add by lia.
    split; [exists q; ring|split; [apply cong_refl|auto]].
  + intros k es E. inversion E as [|? e ? es' I E']; subst. destruct I as [I J]; simpl in I, J.
    destruct (Cells e I) as (A & B & C).
    exists (e / len g :: e mod len g :: es'). simpl. split; [|split; [lia|]].
    * constructor; [|constructor; auto]. unfold inb, lower, upper in *. nia.
    * replace (name k _ e) with (e + (org f - k * step f) * len g) by (unfold name; simpl; ring).
      rewrite Z.div_add, Z.mod_add by lia. unfold name at 1 2. rewrite (fixed_step g G).
      split; [exists 0; ring|split; [exists 0; ring|apply same_refl]].
  + simpl; ring.
Qed.

Lemma drop_view f fs : fixed f = true -> len f = 1 -> view (f :: fs) fs (cons (org f)).
Proof.
intros F L. split; [|split].
- intros ns ms H; simpl; auto using cong_refl.
- intros k es E. exists (0 :: es). simpl. split; [|split; [ring|split; [|apply same_refl]]].
  + constructor; auto. apply fixed_inb; auto. lia.
  + exists 0. unfold name. rewrite (fixed_step f F). ring.
- simpl. rewrite L. ring.
Qed.

(** One form for equal axes; `all`: join whatever can be joined, for rules that take an axis of one factor. *)
Fixpoint joined (all : bool) (f : factor) (fs : axis) : axis :=
  match fs with
  | [] => if fixed f && (len f =? 1) then [] else [f]
  | g :: gs =>
    if fixed f && (len f =? 1) then joined all g gs
    else if fixed g && (all || negb (step f =? 0) || (len g =? 1)) then joined all (join f g) gs
    else f :: joined all g gs
  end.
Definition tidy (all : bool) (fs : axis) : axis := match fs with [] => [] | f :: fs => joined all f fs end.

Lemma tidy_view all fs : exists phi, view fs (tidy all fs) phi.
Proof.
destruct fs as [|f fs]; simpl; [eexists; apply view_refl|].
revert f; induction fs as [|g gs IH]; intro f; simpl.
{ destruct (fixed f && (len f =? 1)) eqn:D; [|eexists; apply view_refl].
  apply andb_true_iff in D; destruct D as [F L]. apply Z.eqb_eq in L. eexists; apply drop_view; auto. }
destruct (fixed f && (len f =? 1)) eqn:D.
- apply andb_true_iff in D; destruct D as [F L]. apply Z.eqb_eq in L. destruct (IH g) as [phi V].
  eexists. eapply view_trans; [apply drop_view; auto|apply V].
- destruct (fixed g && _) eqn:J.
  + apply andb_true_iff in J; destruct J as [G _]. destruct (IH (join f g)) as [phi V].
    destruct (join_view f g gs G) as [psi W]. eexists. eapply view_trans; eauto.
  + destruct (IH g) as [phi V]. eexists. apply view_cons; eauto.
Qed.

(** Whether an axis may be described by other factors: cut where those are finer, and then described by less. *)
Fixpoint fits (fs gs : axis) : bool :=
  match gs, fs with
  | [], [] => true
  | g :: gs, f :: fs =>
    if len f =? len g then weakens f g && fits fs gs
    else match cut f (len f / len g) with
    | Some (f1, f2) => weakens f1 g && fits (f2 :: fs) gs
    | None => false end
  | _, _ => false
  end.

Theorem fits_view fs gs : fits fs gs = true -> exists phi, view fs gs phi.
Proof.
revert fs; induction gs as [|g gs IH]; intros [|f fs]; simpl; try discriminate; [eexists; apply view_refl|].
destruct (len f =? len g).
- intro H; apply andb_true_iff in H; destruct H as [W H]. destruct (IH fs H) as [phi V].
  eexists. apply weakens_view; eauto.
- destruct (cut f (len f / len g)) as [[f1 f2]|] eqn:C; [|discriminate].
  intro H; apply andb_true_iff in H; destruct H as [W H]. destruct (IH _ H) as [phi V].
  destruct (cut_view f _ f1 f2 fs C) as [psi Y].
  eexists. eapply view_trans; [apply Y|]. apply weakens_view; eauto.
Qed.

(** The cells of two neighbouring axes, taken together, cut so that the second one has c. *)
Fixpoint cut_at (fs : axis) (c : Z) : option (axis * axis) :=
  if size fs =? c then Some ([], fs) else
  match fs with
  | [] => None
  | f :: fs =>
    if c <=? size fs then match cut_at fs c with Some (gs, hs) => Some (f :: gs, hs) | None => None end
    else match cut f (c / size fs) with
    | Some (g, h) => if size (h :: fs) =? c then Some ([g], h :: fs) else None
    | None => None end
  end.

Lemma cut_at_view fs c gs hs : cut_at fs c = Some (gs, hs) -> size hs = c /\ exists phi, view fs (gs ++ hs) phi.
Proof.
revert gs hs; induction fs as [|f fs IH]; simpl; intros gs hs.
- destruct (Z.eqb_spec 1 c); [|discriminate]. intro H; injection H as <- <-. split; auto. eexists; apply view_refl.
- destruct (Z.eqb_spec (len f * size fs) c).
  { intro H; injection H as <- <-. split; auto. eexists; apply view_refl. }
  destruct (c <=? size fs).
  + destruct (cut_at fs c) as [[gs' hs']|]; [|discriminate]. intro H; injection H as <- <-.
    destruct (IH gs' hs' eq_refl) as [S [phi V]]. split; auto. eexists; apply view_cons; eauto.
  + destruct (cut f (c / size fs)) as [[g h]|] eqn:C; [|discriminate].
    destruct (Z.eqb_spec (len h * size fs) c) as [E|]; [|discriminate]. intro H; injection H as <- <-.
    split; auto. apply (cut_view f _ g h fs C).
Qed.

(** All axes at once. *)
Definition views (A B : state) : Prop := Forall2 (fun fs gs => exists phi, view fs gs phi) A B.

Theorem views_sound {R} A B (U : signal (R := R)) V : describes A U V -> views A B -> exists U', describes B U' V.
Proof.
intros D H.
assert (exists Phi, (forall m m', sames B m m' -> sames A (Phi m) (Phi m')) /\
  (forall k ess, inboxes B ess -> exists dss, inboxes A dss /\ ranks A dss = ranks B ess /\
     sames A (namess k A dss) (Phi (namess k B ess)))) as (Phi & S & I).
{ clear D. induction H as [|fs gs A B (phi & P & Q & _) _ (Phi & S & I)].
  - exists (fun m => m); split; auto. intros k ess E; exists ess; auto using sames_refl.
  - exists (fun m => match m with n :: m => phi n :: Phi m | [] => [] end). split.
    + intros m m' [L K]. destruct m as [|n m], m' as [|n' m']; try discriminate; [apply sames_refl|].
      destruct (S m m') as [L' K']; [split; [auto|intro a; apply (K (Datatypes.S a))]|].
      split; [simpl; auto|]. intros [|a]; simpl; [apply P, (K O)|apply K'].
    + intros k ess E. inversion E as [|? es ? ess' E0 E1]; subst.
      destruct (Q k es E0) as (ds & B0 & R0 & N0). destruct (I k ess' E1) as (dss & B1 & R1 & L1 & N1).
      exists (ds :: dss). simpl. split; [constructor; auto|split; [congruence|]].
      split; [simpl; auto|]. intros [|a]; simpl; auto. }
destruct D as [Rp Sh]. exists (fun m => U (Phi m)). split.
- intros m m' K; apply Rp, S, K.
- intros k ess E. destruct (I k ess E) as (dss & B0 & <- & N). rewrite Sh by auto. apply Rp; auto.
Qed.

Definition all_fit (A B : state) : bool :=
  Nat.eqb (length A) (length B) &&
  forallb (fun p => fits (fst p) (snd p) || fits (tidy false (fst p)) (snd p)) (combine A B).

Lemma all_fit_views A B : all_fit A B = true -> views A B.
Proof.
unfold all_fit. revert B; induction A as [|fs A IH]; intros [|gs B]; simpl; try discriminate; [constructor|].
intro H; apply andb_true_iff in H; destruct H as [L H]. apply andb_true_iff in H; destruct H as [F H].
constructor; [|apply IH; rewrite L; auto]. apply orb_true_iff in F. destruct F as [F|F]; [apply fits_view; auto|].
apply fits_view in F. destruct F as [phi V]. destruct (tidy_view false fs) as [psi T].
eexists. eapply view_trans; eauto.
Qed.

Lemma tidy_views all A : views A (map (tidy all) A).
Proof. induction A as [|fs A IH]; simpl; constructor; auto using tidy_view. Qed.

(** What several values have in common, as a guess: whether each fits it is checked. *)
Definition meet (f g : factor) : option factor :=
  let found t := Some (Factor (len f) t (Z.lcm (per f) (per g)) (Z.max (lower f) (lower g)) (Z.min (upper f) (upper g)) 0) in
  if divides (per f) (step f - step g) then found (step g)
  else if divides (per g) (step g - step f) then found (step f) else None.

Fixpoint meets (fuel : nat) (fs gs : axis) : option axis :=
  match fuel, fs, gs with
  | _, [], [] => Some []
  | S fuel, f :: fs, g :: gs =>
    let both h fs gs := match h, meets fuel fs gs with Some h, Some hs => Some (h :: hs) | _, _ => None end in
    if len f =? len g then both (meet f g) fs gs
    else if len g <? len f then
      match cut f (len f / len g) with Some (f1, f2) => both (meet f1 g) (f2 :: fs) gs | None => None end
    else match cut g (len g / len f) with Some (g1, g2) => both (meet f g1) fs (g2 :: gs) | None => None end
  | _, _, _ => None
  end.

Fixpoint meet_states (A B : state) : option state :=
  match A, B with
  | [], [] => Some []
  | fs :: A, gs :: B =>
    match meets (length fs + length gs + 64) (tidy false fs) (tidy false gs), meet_states A B with
    | Some hs, Some C => Some (hs :: C) | _, _ => None end
  | _, _ => None
  end.
