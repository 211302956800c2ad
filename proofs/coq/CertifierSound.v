(** The abstract interpreter is sound: each state that it infers describes the value, for every run of the program. *)
From Coq Require Import ZArith List Lia Bool Permutation.
Require Import CertifierDomain CertifierAxis CertifierSums CertifierView CertifierWeigh CertifierRules CertifierProgram CertifierInfer.
Import ListNotations.
Open Scope Z_scope.

Section Sound.
Context {R : Type} (fn : functions R).
Implicit Types (sigs : nat -> signal (R := R)) (E : Z -> list (array R)) (V : family (R := R)).

Local Notation good := (good fn).

Theorem infer_right sigs e E i : good sigs e E -> sound_functions R fn ->
  right sigs (length e) (infer (length e) e i) (fun k => execute R fn (length e) (E k) i).
Proof.
intros G C. destruct i as [sizes|xs|x places sizes|x a l start stride count|x z a l before apart total|
  x z a l start stride dilation taps count by_taps|x a l count commutes|x a l cs apart by_|x a c c'|x y a la lb|xs sizes].
- apply (constant_right sigs (length e) sizes (table R fn (length e))).
- simpl. destruct (operands e xs) as [vs|] eqn:O; [|exact I]. apply (map_right fn sigs _ e); auto.
- simpl. destruct (look e x) as [v|] eqn:L; [|exact I]. apply reindex_right. apply (G x v L).
- simpl. destruct (operand e x a l) as [[v fs]|] eqn:O; [|exact I].
  apply operand_ok in O. destruct O as (L & A & F & _). destruct (G x v L) as [Or D].
  apply slice_right; auto.
- simpl. destruct (operand e x a l) as [[v fs]|] eqn:O; [|exact I].
  apply operand_ok in O. destruct O as (L & A & -> & Sz). destruct (G x v L) as [Or D].
  destruct (number e z && (0 <? apart)) eqn:N; [|exact I]. apply andb_true_iff in N; destruct N as [N P].
  apply Z.ltb_lt in P. destruct (number_ok fn _ _ _ _ G N) as [c0 Nz].
  destruct (forallb fixed (nth a (axes v) [])) eqn:F.
  + apply fresh_right. apply (filled_ext _ a (pad l before apart) _ c0); auto.
    eapply along_sound; eauto. apply local_still; auto. intros i w w' _ H. unfold pad.
    destruct (_ && _ && _) eqn:Q; auto. rewrite !andb_true_iff, Z.leb_le, Z.ltb_lt in Q. apply H. lia.
  + destruct (single _) as [f|] eqn:S; [|exact I]. destruct (Z.eqb_spec (len f) l) as [<-|]; [|exact I].
    apply fresh_right. apply (filled_ext _ a (pad (len f) before apart) _ c0); auto.
    eapply along_single; eauto. apply longest_part_local; auto.
- simpl. destruct (operand e x a l) as [[v fs]|] eqn:O; [|exact I].
  apply operand_ok in O. destruct O as (L & A & -> & Sz). destruct (G x v L) as [Or D].
  destruct (number e z && (0 <? taps) && (0 <? dilation)) eqn:N; [|exact I].
  rewrite !andb_true_iff, !Z.ltb_lt in N. destruct N as [[N T] Dl].
  destruct (number_ok fn _ _ _ _ G N) as [c0 Nz].
  destruct (alike _ && _ && _ && _) eqn:Al.
  { rewrite !andb_true_iff, Z.leb_le, !Z.ltb_lt in Al. unfold alike in Al. rewrite andb_true_iff in Al.
    destruct Al as [[[[F P] S0] St] Hi]. apply fresh_right.
    apply (filled_ext _ a (unfold l start stride dilation taps) _ c0); auto.
    assert (In : forall q, inbox [Factor count 0 1 0 count 0; Factor taps 0 1 0 taps 0] q ->
      0 <= start + stride * (rank [Factor count 0 1 0 count 0; Factor taps 0 1 0 taps 0] q / taps) +
        dilation * (rank [Factor count 0 1 0 count 0; Factor taps 0 1 0 taps 0] q mod taps) < l).
    { intros q B. apply inbox_size in B. cbn [size len] in B. set (r := rank _ q) in *.
      pose proof (Z.mod_pos_bound r taps T). pose proof (Z.div_mod r taps ltac:(lia)).
      assert (0 <= r / taps) by (apply Z.div_pos; lia).
      assert (r / taps < count) by (apply Z.div_lt_upper_bound; lia).
      assert (stride * (r / taps) <= stride * (count - 1)) by (apply Z.mul_le_mono_nonneg_l; lia).
      assert (0 <= stride * (r / taps)) by (apply Z.mul_nonneg_nonneg; lia).
      assert (0 <= dilation * (r mod taps)) by (apply Z.mul_nonneg_nonneg; lia).
      assert (dilation * (r mod taps) <= dilation * (taps - 1)) by (apply Z.mul_le_mono_nonneg_l; lia). lia. }
    eapply along_sound; eauto.
    apply (local_ext _ _ (fun i (w : Z -> R) => w (start + stride * (i / taps) + dilation * (i mod taps)))).
    - apply (local_uniform _ _ (fun i => start + stride * (i / taps) + dilation * (i mod taps))); auto.
      intros es B. rewrite Sz. apply In; auto.
    - intros es w B. specialize (In es B). unfold unfold.
      replace ((0 <=? _) && _) with true by (symmetry; apply andb_true_iff; lia). reflexivity. }
  destruct (forallb fixed (nth a (axes v) [])) eqn:F.
  + apply fresh_right. apply (filled_ext _ a (unfold l start stride dilation taps) _ c0); auto.
    eapply along_sound; eauto. apply local_still; auto. intros i w w' _ H. unfold unfold.
    match goal with |- (if ?b then _ else _) = _ => destruct b eqn:Q; auto end. rewrite !andb_true_iff, Z.leb_le, Z.ltb_lt in Q. apply H. lia.
  + destruct (single _) as [f|] eqn:S; [|exact I]. destruct (Z.eqb_spec (len f) l) as [<-|]; simpl; [|exact I].
    destruct by_taps.
    * destruct (read _ _ _ _ _) as [g|] eqn:Rd; [|exact I].
      match goal with |- right _ _ (if ?b then _ else _) _ => destruct b eqn:Qs; [|exact I] end.
      rewrite andb_true_iff, Z.ltb_lt, Z.leb_le in Qs. destruct Qs as [St Co].
      apply fresh_right. apply (filled_ext _ a (unfold (len f) start stride dilation taps) _ c0); auto.
      eapply along_single; eauto. apply unfold_taps_local; auto.
    * destruct (read _ _ _ _ _) as [g|] eqn:Rd; [|exact I].
      apply fresh_right. apply (filled_ext _ a (unfold (len f) start stride dilation taps) _ c0); auto.
      eapply along_single; eauto. eapply unfold_local; eauto.
- simpl. destruct (operand e x a l) as [[v fs]|] eqn:O; [|exact I].
  apply operand_ok in O. destruct O as (L & A & -> & Sz). destruct (G x v L) as [Or D].
  destruct (forallb fixed (nth a (axes v) [])) eqn:F; simpl.
  + apply fresh_right. eapply along_sound; eauto. apply local_still; auto. intros i w w' _ H. unfold mixed.
    f_equal. apply map_ext_in. intros q Q. apply range_in in Q. apply H. lia.
  + destruct commutes; simpl; [|exact I]. destruct (forallb whole (nth a (axes v) [])) eqn:W; [|exact I].
    apply fresh_right. eapply along_sound; eauto. rewrite <- Sz. apply mixed_local; auto.
- simpl. destruct (operand e x a l) as [[v fs]|] eqn:O; [|exact I].
  apply operand_ok in O. destruct O as (L & A & -> & Sz). destruct (G x v L) as [Or D].
  destruct (forallb fixed _ && _) eqn:F.
  { apply andb_true_iff in F; destruct F as [F B]. apply fresh_right. eapply along_sound; eauto.
    apply local_still; auto. intros i w w' Bi H. unfold weigh. f_equal. apply map_ext_in. intros c Ic. f_equal. apply H.
    rewrite forallb_forall in B. specialize (B (nth_column cs i)). rewrite forallb_forall in B.
    assert (J : (Z.to_nat i < length cs)%nat) by lia.
    specialize (B (nth_In cs [] J) c Ic). rewrite andb_true_iff, Z.leb_le, Z.ltb_lt in B. rewrite Sz; auto. }
  destruct (single _) as [f|] eqn:S; [|exact I]. destruct (advances f cs apart by_) as [g|] eqn:T; [|exact I].
  apply fresh_right. eapply along_single; eauto. eapply advances_local; eauto.
- simpl. destruct (look e x) as [v|] eqn:L; [|exact I]. apply recut_right. apply (G x v L).
- simpl. apply cat_right; auto.
- simpl. apply (opaque_right fn sigs e E xs sizes (making R fn (length e))); auto.
Qed.

(** * Whole programs *)

Definition renew sigs (n : nat) (U : signal (R := R)) : nat -> signal :=
  fun m => if Nat.eqb m n then U else sigs m.

Lemma good_app sigs e E r V (E' : Z -> list (array R)) : good sigs e E -> right sigs (length e) r V ->
  (forall k, length (E k) = length e) -> (forall k, E' k = E k ++ [V k]) -> exists sigs', good sigs' (e ++ [r]) E'.
Proof.
intros G Rt L EE.
assert (Old : forall x, (x < length e)%nat -> look (e ++ [r]) x = look e x /\ forall k, get R fn (E' k) x = get R fn (E k) x).
{ intros x X. unfold look, get. split; [apply app_nth1; auto|]. intro k. rewrite EE. apply app_nth1. rewrite L; auto. }
assert (New : look (e ++ [r]) (length e) = r /\ forall k, get R fn (E' k) (length e) = V k).
{ unfold look, get. split; [rewrite app_nth2, Nat.sub_diag; auto|]. intro k. rewrite EE, app_nth2, L, Nat.sub_diag; auto.
  rewrite L; auto. }
assert (Out : forall x v, look (e ++ [r]) x = Some v -> (x < length e)%nat \/ x = length e).
{ intros x v H. destruct (Nat.lt_trichotomy x (length e)) as [?|[?|X]]; auto.
  unfold look in H. rewrite nth_overflow in H by (rewrite app_length; simpl; lia). discriminate. }
assert (Keep : forall sigs', (forall m, (m < length e)%nat -> sigs' m = sigs m) ->
  (forall v, r = Some v -> (origin v <= length e)%nat /\ describes (axes v) (sigs' (origin v)) V) -> good sigs' (e ++ [r]) E').
{ intros sigs' Same Last x v H. rewrite app_length; simpl. destruct (Out x v H) as [X| ->].
  - destruct (Old x X) as [Lk Gt]. rewrite Lk in H. destruct (G x v H) as [O D]. split; [lia|].
    rewrite Same by auto. apply (describes_ext _ _ _ _ D). intros; rewrite Gt; auto.
  - destruct New as [Lk Gt]. rewrite Lk in H. destruct (Last v H) as [O D]. split; [lia|].
    apply (describes_ext _ _ _ _ D). intros; rewrite Gt; auto. }
destruct r as [v|].
- destruct Rt as [[O [U D]]|[O D]].
  + exists (renew sigs (length e) U). apply Keep.
    * intros m M. unfold renew. destruct (Nat.eqb_spec m (length e)); [lia|auto].
    * intros w H; injection H as <-. split; [lia|]. rewrite O. unfold renew. rewrite Nat.eqb_refl. auto.
  + exists sigs. apply Keep; auto. intros w H; injection H as <-. split; [lia|auto].
- exists sigs. apply Keep; auto. discriminate.
Qed.

Theorem program_sound p sigs e E : good sigs e E -> sound_functions R fn -> (forall k, length (E k) = length e) ->
  exists sigs', good sigs' (infer_all p e) (fun k => run R fn p (E k)).
Proof.
intros G C L. revert sigs e E G L. induction p as [|i p IH]; simpl; intros sigs e E G L; [exists sigs; auto|].
destruct (good_app sigs e E (infer (length e) e i) (fun k => execute R fn (length e) (E k) i)
  (fun k => E k ++ [execute R fn (length (E k)) (E k) i]) G) as [sigs' G']; auto.
- apply infer_right; auto.
- intro k; rewrite L; auto.
- apply (IH sigs'); auto. intro k. rewrite !app_length, L; auto.
Qed.

End Sound.
