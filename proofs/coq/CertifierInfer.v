(** The abstract interpreter, rule by rule: what it infers of an instruction's result describes that. *)
From Coq Require Import ZArith List Lia Bool Permutation.
Require Import CertifierDomain CertifierAxis CertifierSums CertifierView CertifierWeigh CertifierRules CertifierProgram.
Import ListNotations.
Open Scope Z_scope.

Lemma factor_eqb_ok f g : factor_eqb f g = true -> f = g.
Proof.
unfold factor_eqb. rewrite !andb_true_iff, !Z.eqb_eq. destruct f, g; simpl. intuition congruence.
Qed.

Lemma axis_eqb_ok fs gs : axis_eqb fs gs = true -> fs = gs.
Proof.
revert gs; induction fs as [|f fs IH]; intros [|g gs]; simpl; try discriminate; auto.
intro H; apply andb_true_iff in H; destruct H as [F H]. apply factor_eqb_ok in F. f_equal; auto.
Qed.

Lemma state_eqb_ok A B : state_eqb A B = true -> A = B.
Proof.
revert B; induction A as [|f A IH]; intros [|g B]; simpl; try discriminate; auto.
intro H; apply andb_true_iff in H; destruct H as [F H]. apply axis_eqb_ok in F. f_equal; auto.
Qed.

Lemma list_eqb_ok l m : list_eqb l m = true -> l = m.
Proof.
revert m; induction l as [|x l IH]; intros [|y m]; simpl; try discriminate; auto.
intro H; apply andb_true_iff in H; destruct H as [F H]. apply Z.eqb_eq in F. f_equal; auto.
Qed.

Lemma operand_ok e x a l v fs : operand e x a l = Some (v, fs) ->
  look e x = Some v /\ (a < length (axes v))%nat /\ fs = nth a (axes v) [] /\ size fs = l.
Proof.
unfold operand. destruct (look e x) as [w|]; [|discriminate].
destruct (Nat.ltb_spec a (length (axes w))); simpl; [|discriminate].
destruct (Z.eqb_spec (size (nth a (axes w) [])) l); [|discriminate].
intro H'; injection H' as <- <-. auto.
Qed.

Section Infer.
Context {R : Type} (fn : functions R).
Implicit Types (sigs : nat -> signal (R := R)) (E : Z -> list (array R)) (V : family (R := R)).

(** An environment: each value that has a state is described by it, as a window of the signal of its origin. *)
Definition good sigs (e : list (option value)) E : Prop := forall x v, look e x = Some v ->
  (origin v < length e)%nat /\ describes (axes v) (sigs (origin v)) (fun k => get R fn (E k) x).

(** A new value is described: its own signal is new, or that of an earlier value. *)
Definition right sigs (n : nat) (r : option value) V : Prop :=
  match r with
  | None => True
  | Some v => (origin v = n /\ exists U, describes (axes v) U V) \/
              ((origin v < n)%nat /\ describes (axes v) (sigs (origin v)) V)
  end.

Lemma fresh_right sigs n A V : (exists U, describes A U V) -> right sigs n (fresh n A) V.
Proof.
intros [U D]. left; split; auto. simpl. apply (views_sound A _ U V D). apply tidy_views.
Qed.

Lemma single_ok fs f : single fs = Some f -> exists phi, view fs [f] phi.
Proof.
unfold single. destruct (tidy_view true fs) as [phi V].
destruct (tidy true fs) as [|g [|h r]]; try discriminate. intro H; injection H as <-. eauto.
Qed.

Lemma along_single A a f gs G U V : describes A U V -> (a < length A)%nat -> single (nth a A []) = Some f ->
  local [f] gs G -> exists U', describes (setn a gs A) U' (fun k => along a G (V k)).
Proof.
intros D L S H. apply single_ok in S; destruct S as [phi S].
destruct (view_sound a A [f] phi U V D L S) as [U1 D1].
rewrite <- (setn_setn _ a gs [f] A). apply (along_sound a _ gs G U1 V D1); [rewrite setn_length; auto|].
rewrite nth_setn_same; auto.
Qed.

Lemma local_ext fs gs (G H : Z -> (Z -> R) -> R) : local fs gs G ->
  (forall es w, inbox gs es -> G (rank gs es) w = H (rank gs es) w) -> local fs gs H.
Proof.
intros (F & X & I & S) E. exists F; repeat split; auto. intros k w u J W es B. rewrite <- E by auto. eapply S; eauto.
Qed.

Lemma number_ok sigs e E z : good sigs e E -> number e z = true -> exists c, forall k, get R fn (E k) z [] = c.
Proof.
unfold number. intros G. destruct (look e z) as [v|] eqn:L; [|discriminate].
destruct (G z v L) as [_ [_ S]]. destruct (axes v) as [|]; [|discriminate]. intros _.
exists (sigs (origin v) []). intro k. apply (S k []). constructor.
Qed.

Lemma between start stride count i n : 0 <= i < count -> 0 <= start < n -> 0 <= start + stride * (count - 1) < n ->
  0 <= start + stride * i < n.
Proof. intros. destruct (Z.le_ge_cases 0 stride); nia. Qed.

Theorem slice_right sigs n v a fs start stride count V :
  (origin v < n)%nat -> describes (axes v) (sigs (origin v)) V -> (a < length (axes v))%nat -> fs = nth a (axes v) [] ->
  right sigs n (infer_slice n v a fs start stride count) (fun k => along a (fun i w => w (start + stride * i)) (V k)).
Proof.
intros O D L ->. unfold infer_slice.
destruct (alike (nth a (axes v) []) && _ && _) eqn:U.
{ rewrite !andb_true_iff, !Z.leb_le, !Z.ltb_lt in U. unfold alike in U. rewrite andb_true_iff in U.
  destruct U as [[[F P] B1] B2]. apply fresh_right. eapply along_sound; eauto.
  apply (local_uniform _ _ (fun i => start + stride * i)); auto. intros es B. apply inbox_size in B.
  unfold uniform in *; simpl in *. apply (between _ _ count); lia. }
destruct (single (nth a (axes v) [])) as [f|] eqn:S.
- destruct (read f start start stride count) as [g|] eqn:Rd; [|exact I].
  pose proof (slice_local (R := R) f start stride count g Rd) as Loc.
  destruct ((stride =? 1) && axis_eqb (nth a (axes v) []) [f]) eqn:W.
  + apply andb_true_iff in W; destruct W as [W A]. apply Z.eqb_eq in W. apply axis_eqb_ok in A. subst stride.
    right; split; auto. simpl. apply along_same_signal; auto; rewrite A; clear Loc.
    * apply read_ok in Rd. destruct Rd as (_ & _ & _ & _ & P).
      intros [|x ns] [|y ms]; simpl; auto. intros [C H]; split; auto. specialize (P x y 0 C).
      rewrite !Z.mul_1_l, !Z.add_0_r in P; auto.
    * apply read_ok in Rd. destruct Rd as (_ & _ & B & M & _). intros k w u H es E.
      destruct (one_digit _ _ E) as (e & -> & Be & ->). specialize (H [start + 1 * e]).
      simpl in H. rewrite Z.mul_1_r, Z.add_0_r in H. rewrite H by (constructor; [apply B; auto; lia|constructor]).
      f_equal. simpl. f_equal. specialize (M k e 0). rewrite Z.mod_1_r, !Z.mul_1_l, !Z.add_0_r in M.
      rewrite Z.mul_1_l. auto.
  + apply fresh_right. eapply along_single; eauto.
- destruct (forallb fixed (nth a (axes v) []) && _ && _) eqn:F; [|exact I].
  rewrite !andb_true_iff, !Z.leb_le, !Z.ltb_lt in F. destruct F as [[F B1] B2].
  apply fresh_right. eapply along_sound; eauto. apply local_still; auto.
  intros i w w' B H. apply H. apply (between _ _ count); lia.
Qed.

Lemma operands_ok sigs e E xs vs : good sigs e E -> operands e xs = Some vs ->
  Forall2 (fun v x => look e x = Some v /\ describes (axes v) (sigs (origin v)) (fun k => get R fn (E k) x)) vs xs.
Proof.
intro G. revert vs; induction xs as [|x xs IH]; simpl; intros vs.
- intro H; injection H as <-; constructor.
- destruct (look e x) as [v|] eqn:L; [|discriminate]. destruct (operands e xs) as [ws|]; [|discriminate].
  intro H; injection H as <-. constructor; auto. split; auto. apply (G x v L).
Qed.

Theorem map_right sigs n e E xs vs F : good sigs e E -> operands e xs = Some vs ->
  right sigs n (infer_map n vs) (fun k i => F (map (fun x => get R fn (E k) x i) xs)).
Proof.
intros G O. pose proof (operands_ok _ _ _ _ _ G O) as H. unfold infer_map.
destruct vs as [|v0 vs0]; [exact I|]. set (vs := v0 :: vs0) in *.
destruct (in_common (axes v0) vs) as [C|]; [|exact I].
destruct (forallb (fun v => all_fit (axes v) C) vs) eqn:A; [|exact I].
apply fresh_right.
assert (exists Us, Forall2 (describes C) Us (map (fun x k => get R fn (E k) x) xs)) as [Us K].
{ clear O. induction H as [|v x ws xs [_ D] _ IH]; simpl; [exists []; constructor|].
  simpl in A. apply andb_true_iff in A; destruct A as [A As].
  destruct (IH As) as [Us K]. destruct (views_sound _ _ _ _ D (all_fit_views _ _ A)) as [U' D'].
  exists (U' :: Us); constructor; auto. }
exists (fun m => F (map (fun U => U m) Us)).
apply (describes_ext _ _ _ _ (map_sound C F Us _ K)). intros k dss _. rewrite map_map. reflexivity.
Qed.

Theorem reindex_right sigs n v places sizes V : describes (axes v) (sigs (origin v)) V ->
  right sigs n (infer_reindex n v places sizes) (fun k => reindex places (V k)).
Proof.
intro D. unfold infer_reindex. set (B := map _ _).
destruct (Nat.eqb_spec (length (axes v)) (length places)) as [L|]; simpl; [|exact I].
destruct (forallb _ _) eqn:K; [|exact I].
apply fresh_right. eapply reindex_sound; eauto. clear D. revert L K. generalize (axes v) as A. generalize B as C. clear. intro C.
induction places as [|p places IH]; intros [|fs A]; simpl; try discriminate; [constructor|].
intros L K. apply andb_true_iff in K; destruct K as [K Ks]. constructor; [|apply IH; auto].
unfold source. destruct p as [b|]; simpl in *; auto.
apply andb_true_iff in K; destruct K as [K1 K2]. apply Nat.ltb_lt in K1. apply axis_eqb_ok in K2. auto.
Qed.

Theorem recut_right sigs n v a c c' V : describes (axes v) (sigs (origin v)) V ->
  right sigs n (infer_recut n v a c c') (fun k => recut a c c' (V k)).
Proof.
intro D. unfold infer_recut.
destruct (Nat.ltb_spec (S a) (length (axes v))) as [L|]; simpl; [|exact I].
destruct (Z.eqb_spec (size (nth (S a) (axes v) [])) c) as [Sc|]; [|exact I].
destruct (cut_at _ c') as [[gs hs]|] eqn:C; [|exact I].
apply cut_at_view in C. destruct C as [Sh [phi W]]. apply fresh_right.
destruct (recut_sound a (axes v) gs hs phi _ V D L W) as [U' D'].
exists U'. rewrite <- Sc, <- Sh. exact D'.
Qed.

Lemma one_factor_ok e x a v f : one_factor (look e x) a = Some (v, f) ->
  look e x = Some v /\ nth a (axes v) [] = [f] /\ (a < length (axes v))%nat.
Proof.
unfold one_factor. destruct (look e x) as [w|]; [|discriminate].
destruct (nth a (axes w) []) as [|g [|h r]] eqn:F; try discriminate.
destruct (Nat.ltb_spec a (length (axes w))); [|discriminate]. intro H'; injection H' as <- <-. auto.
Qed.

Section Cat.
Variables (sigs : nat -> signal (R := R)) (e : list (option value)) (E : Z -> list (array R)) (x y a : nat) (la lb : Z).
Hypothesis G : good sigs e E.
Let result (k : Z) := cat a la (get R fn (E k) x) (get R fn (E k) y).

Lemma cat_first_right : right sigs (length e) (cat_first (look e x) a la lb) result.
Proof.
unfold cat_first. destruct (one_factor (look e x) a) as [[v f]|] eqn:P; [|exact I]. destruct (fixed f); [exact I|].
destruct (one_factor_ok _ _ _ _ _ P) as (L & F & A). destruct (G x v L) as [O D]. right; split; auto.
apply cat_ahead; auto.
Qed.

Lemma cat_second_right : right sigs (length e) (cat_second (look e y) a la lb) result.
Proof.
unfold cat_second. destruct (one_factor (look e y) a) as [[v f]|] eqn:P; [|exact I].
destruct (fixed f || negb (len f =? lb)); [exact I|].
destruct (one_factor_ok _ _ _ _ _ P) as (L & F & A). destruct (G y v L) as [O D]. right; split; auto.
apply cat_behind; auto.
Qed.

Theorem cat_joined_right : right sigs (length e) (cat_joined (look e x) (look e y) a la lb) result.
Proof.
unfold cat_joined. destruct (one_factor (look e x) a) as [[v f]|] eqn:Px; [|exact I].
destruct (one_factor (look e y) a) as [[w g]|] eqn:Py; [|exact I].
destruct (_ && _ && _ && _ && _ && _ && _ && _) eqn:Q; [|exact I].
rewrite !andb_true_iff, Nat.eqb_eq, !Z.eqb_eq, Z.leb_le in Q. destruct Q as [[[[[[[_ Or] Ax] Le] Es] Ep] Dv] Lo].
apply state_eqb_ok in Ax. destruct (one_factor_ok _ _ _ _ _ Px) as (Lx & Fx & A).
destruct (one_factor_ok _ _ _ _ _ Py) as (Ly & Fy & B). destruct (G x v Lx) as [O Dx]. destruct (G y w Ly) as [_ Dy].
right; split; auto. simpl. apply (windows_join a (axes v) (ahead la lb f) (behind la g)); auto.
- apply cat_ahead; auto.
- rewrite <- (setn_setn _ a _ [] (axes v)), Ax, setn_setn, Or. apply cat_behind; auto.
- apply divides_divide; auto.
Qed.

Lemma cat_stays_right : right sigs (length e) (cat_stays (length e) (look e x) (look e y) a la lb) result.
Proof.
unfold cat_stays. destruct (look e x) as [v|] eqn:Lx; [|exact I]. destruct (look e y) as [w|] eqn:Ly; [|exact I].
destruct (stays_along v a && stays_along w a) eqn:St; [|exact I].
destruct (meet_states _ _) as [C|]; [|exact I].
destruct (all_fit _ _ && _ && _ && _ && _) eqn:Q; [|exact I].
rewrite !andb_true_iff, !Z.eqb_eq, Nat.ltb_lt in Q. destruct Q as [[[[Fa Fb] Sa] Sb] La].
destruct (G x v Lx) as [_ Dx]. destruct (G y w Ly) as [_ Dy].
destruct (views_sound _ _ _ _ Dx (all_fit_views _ _ Fa)) as [U1 D1].
destruct (views_sound _ _ _ _ Dy (all_fit_views _ _ Fb)) as [U2 D2].
unfold stays_along in St. rewrite !andb_true_iff in St. destruct St as [[_ Sx] [_ Sy]].
apply fresh_right. eapply cat_still; eauto; rewrite ?nth_setn_same by auto; auto.
Qed.

Lemma cat_right : right sigs (length e) (infer_cat (length e) (look e x) (look e y) a la lb) result.
Proof.
unfold infer_cat. pose proof cat_stays_right as H1. pose proof cat_joined_right as H2.
pose proof cat_first_right as H3. pose proof cat_second_right as H4.
destruct (cat_stays _ _ _ _ _ _); auto. destruct (cat_joined _ _ _ _ _); auto.
destruct (cat_first _ _ _ _) as [r1|]; auto. destruct (cat_second _ _ _ _) as [r2|]; auto.
destruct (_ <? _); auto.
Qed.
End Cat.

(** What is made of the cells of operands that stay: the same in every run. *)
Lemma range_bounds sizes i : In i (indices sizes) -> Forall2 (fun n x => 0 <= x < n) sizes i.
Proof.
revert i; induction sizes as [|n sizes IH]; simpl; intros i H; [destruct H as [<-|[]]; constructor|].
apply in_flat_map in H. destruct H as (x & X & H). apply in_map_iff in H. destruct H as (j & <- & H).
constructor; auto. apply range_in; auto.
Qed.

Lemma stays_ok sigs e E p : good sigs e E -> stays e p = true ->
  forall k, map (get R fn (E k) (fst p)) (indices (snd p)) = map (get R fn (E 0) (fst p)) (indices (snd p)).
Proof.
intros G. unfold stays. destruct (look e (fst p)) as [v|] eqn:L; [|discriminate].
intro H; apply andb_true_iff in H; destruct H as [F Sz]. apply list_eqb_ok in Sz.
destruct (G _ _ L) as [_ [_ S]]. intro k. apply map_ext_in. intros i Hi. apply range_bounds in Hi.
assert (exists dss, inboxes (axes v) dss /\ ranks (axes v) dss = i /\ namess k (axes v) dss = namess 0 (axes v) dss) as
  (dss & B & <- & N).
{ unfold sizes_of in Sz. rewrite <- Sz in Hi. clear - F Hi. revert i Hi.
  induction (axes v) as [|fs A IH]; simpl; intros i Hi; inversion Hi as [|? x ? j X Hj]; subst.
  - exists []; repeat split; constructor.
  - simpl in F; apply andb_true_iff in F; destruct F as [F Fs]. destruct (IH Fs j Hj) as (dss & B & Rk & N).
    destruct (unrank_ok fs x F X) as [U V]. exists (unrank fs x :: dss). simpl. rewrite V, Rk, N.
    split; [constructor; auto|split; auto]. f_equal. apply fixed_names; auto. }
rewrite !S, N by auto. reflexivity.
Qed.

Theorem opaque_right sigs e E xs sizes F : good sigs e E ->
  right sigs (length e) (if forallb (stays e) xs then fresh (length e) (map still sizes) else None)
    (fun k => F (map (fun p => map (get R fn (E k) (fst p)) (indices (snd p))) xs)).
Proof.
intro G. destruct (forallb (stays e) xs) eqn:H; [|exact I]. apply fresh_right.
set (c := map (fun p => map (get R fn (E 0) (fst p)) (indices (snd p))) xs).
assert (C : forall k, map (fun p => map (get R fn (E k) (fst p)) (indices (snd p))) xs = c).
{ intro k. apply map_ext_in. intros p P. apply (stays_ok sigs e E p G). rewrite forallb_forall in H. auto. }
exists (fun m => F c (map (hd 0) m)). split.
- intros m m' [L K]. f_equal. apply (list_eq _ (hd 0 [])); [rewrite !map_length; auto|].
  intro a. rewrite !map_nth. specialize (K a). destruct (Nat.lt_ge_cases a (length sizes)) as [La|Ga].
  + rewrite (nth_indep _ [] (still 0)) in K by (rewrite map_length; auto).
    rewrite (map_nth still sizes 0) in K. apply same_still in K. congruence.
  + rewrite (nth_overflow (map still sizes)) in K by (rewrite map_length; auto). simpl in K. congruence.
- intros k dss B. rewrite C. f_equal. clear C c H. revert dss B.
  induction sizes as [|n sizes IH]; simpl; intros dss B; inversion B as [|? ds ? dss' D Ds]; subst; simpl; auto.
  destruct (one_digit _ _ D) as (d & -> & _ & Rk). simpl. f_equal; auto. unfold name; simpl; ring.
Qed.

Theorem constant_right sigs n sizes F :
  right sigs n (infer n [] (Const sizes)) (fun (_ : Z) i => F (map (fun p => folded (snd (fst p)) (snd p)) (combine sizes i))).
Proof.
simpl. destruct (forallb _ sizes) eqn:H; [|exact I]. apply fresh_right.
set (A := map _ sizes).
exists (fun m => F (map (fun p => folded (snd (fst p)) (hd 0 (snd p))) (combine sizes m))). split.
- intros m m' [L K]. f_equal. unfold A in K. clear A F. revert m m' L K H.
  induction sizes as [|[l p] sizes IH]; intros [|ns m] [|ns' m']; simpl; try discriminate; auto. intros L K H.
  apply andb_true_iff in H; destruct H as [P H]. apply Z.leb_le in P. f_equal.
  + specialize (K 0%nat). simpl in K. unfold folded.
    destruct ns as [|x ns], ns' as [|x' ns']; simpl in K |- *; try discriminate; auto. destruct K as [[q Q] _].
    destruct (Z.eqb_spec p 0); [subst; lia|].
    replace x with (x' + q * p) by lia. apply Z.mod_add; auto.
  + apply IH; auto. intro a. apply (K (S a)).
- intros k dss B. f_equal. unfold A in *. clear A F H. revert dss B.
  induction sizes as [|[l p] sizes IH]; intros dss B; inversion B as [|? ds ? dss' D Ds]; subst; simpl; auto.
  destruct (one_digit _ _ D) as (d & -> & _ & Rk). simpl in Rk |- *. rewrite Rk. f_equal; auto.
  f_equal. unfold name; simpl; ring.
Qed.

Lemma filled_ext A a G (zf : Z -> R) c V : (forall k, zf k = c) ->
  (exists U, describes A U (fun k => along a (G c) (V k))) -> exists U, describes A U (fun k => along a (G (zf k)) (V k)).
Proof. intros H [U D]. exists U. apply (describes_ext _ _ _ _ D). intros; rewrite H; auto. Qed.

End Infer.
