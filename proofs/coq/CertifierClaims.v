(** What an accepted certificate means: the two claims of docs/certificates.md, about arrays and nothing else. *)
From Coq Require Import ZArith List Lia Bool Permutation.
Require Import CertifierDomain CertifierAxis CertifierSums CertifierView CertifierRules CertifierProgram CertifierInfer CertifierSound.
Import ListNotations.
Open Scope Z_scope.

(** An argument: the lengths of its axes, and the one along which it is shifted, if any. *)
Record input := Input { lengths : list Z; shifted : option nat }.

(** Shifts by multiples of `shift` along axes of `cells`; cyclic: the scene repeats after them. *)
Record walk := Walk { cyclic : bool; cells : Z; shift : Z }.

Definition scene (w : walk) : axis := [Factor (cells w) (shift w) (if cyclic w then cells w else 0) 0 (cells w) 0].
Definition entry (w : walk) (i : input) : state :=
  match shifted i with None => map still (lengths i) | Some a => setn a (scene w) (map still (lengths i)) end.
Fixpoint enter (w : walk) (n : nat) (is : list input) : list (option value) :=
  match is with [] => [] | i :: is => fresh n (entry w i) :: enter w (S n) is end.
Definition states (w : walk) (is : list input) (p : list instr) : list (option value) := infer_all p (enter w 0 is).

(** A claim about an axis of the output: its length, how far it moves, and on which of its positions. *)
Record along_axis := AlongAxis { extent : Z; moves : Z; first : Z; last : Z }.
Definition claimed (w : walk) (c : along_axis) : axis :=
  [if moves c =? 0 then Factor (extent c) 0 0 0 (extent c) 0
   else if cyclic w then Factor (extent c) (moves c) (extent c) 0 (extent c) 0
   else Factor (extent c) (moves c) 0 (first c) (last c) 0].

(** A state that a row or a claim asserts of a value that has one: whether it says no more. *)
Definition entails (fs gs : axis) : bool :=
  match fs, gs with
  | [], _ :: _ => fits [Factor 1 0 0 0 1 0] gs
  | _, _ => fits fs gs || fits (tidy true fs) gs
  end.
Definition confirms (v : option value) (B : state) : bool :=
  match v with
  | Some v => Nat.eqb (length (axes v)) (length B) && forallb (fun q => entails (fst q) (snd q)) (combine (axes v) B)
  | None => false
  end.
Definition inputs_ok (w : walk) (is : list input) : bool :=
  (0 <? cells w) && (0 <? shift w) &&
  forallb (fun i => match shifted i with
    | None => true
    | Some a => Nat.ltb a (length (lengths i)) && (nth a (lengths i) 0 =? cells w) end) is.
Definition accepts (w : walk) (is : list input) (p : list instr) (leaf : nat) (cs : list along_axis) : bool :=
  inputs_ok w is && confirms (look (states w is p) leaf) (map (claimed w) cs).

Lemma entails_view fs gs : entails fs gs = true -> exists phi, view fs gs phi.
Proof.
assert (Either : fits fs gs || fits (tidy true fs) gs = true -> exists phi, view fs gs phi).
{ intro H. apply orb_true_iff in H. destruct H as [H|H]; [apply fits_view; auto|].
  apply fits_view in H. destruct H as [phi V]. destruct (tidy_view true fs) as [psi T].
  eexists. eapply view_trans; eauto. }
unfold entails. destruct fs as [|f fs]; [|exact Either].
destruct gs as [|g gs]; [exact Either|]. intro H. apply fits_view in H. destruct H as [phi V].
assert (I : view [] [Factor 1 0 0 0 1 0] (@tl Z)).
{ split; [|split; auto].
  - intros [|n ns] [|m ms]; simpl; try discriminate; auto. tauto.
  - intros k es E. destruct (one_digit _ _ E) as (e & -> & [B _] & R). simpl in B. exists [].
    split; [constructor|split; [|reflexivity]]. rewrite R. simpl. lia. }
eexists. eapply view_trans; eauto.
Qed.

Lemma confirms_ok {R} v B (U : signal (R := R)) V : confirms (Some v) B = true -> describes (axes v) U V ->
  exists U', describes B U' V.
Proof.
intros H D. apply (views_sound (axes v) B U V D). simpl in H. revert H. generalize (axes v) as A. clear.
induction B as [|gs B IH]; intros [|fs A]; simpl; try discriminate; [constructor|].
intro H. apply andb_true_iff in H; destruct H as [L H]. apply andb_true_iff in H; destruct H as [F H].
constructor; [apply entails_view; auto|]. apply IH. rewrite L; auto.
Qed.

(** * How the arguments of two runs are related *)

Definition within (sizes i : list Z) : Prop := Forall2 (fun n x => 0 <= x < n) sizes i.

(** y is x rolled by k*shift cells; or: y shows what x shows, k*shift cells further on, wherever both show it. *)
Definition follows {R} (w : walk) (k : Z) (i : input) (x y : array R) : Prop :=
  forall j, within (lengths i) j ->
  match shifted i with
  | None => y j = x j
  | Some a =>
      if cyclic w then y j = x (setn a ((nth a j 0 - k * shift w) mod cells w) j)
      else 0 <= nth a j 0 - k * shift w < cells w -> y j = x (setn a (nth a j 0 - k * shift w) j)
  end.

Section Claims.
Context {R : Type} (fn : functions R) (C : sound_functions R fn).

(** All runs of which x is run 0 and y run k. *)
Definition runs (w : walk) (k : Z) (i : input) (x y : array R) : family := fun l =>
  if l =? 0 then x else if l =? k then y else
  match shifted i with
  | None => x
  | Some a =>
      if cyclic w then fun j => x (setn a ((nth a j 0 - l * shift w) mod cells w) j)
      else fun j => let m := nth a j 0 - l * shift w in
        if (0 <=? m) && (m <? cells w) then x (setn a m j) else y (setn a (m + k * shift w) j)
  end.

Lemma within_ranks A dss : inboxes A dss -> within (map size A) (ranks A dss).
Proof. induction 1 as [|fs ds A dss H _ IH]; simpl; constructor; auto. apply inbox_size; auto. Qed.

Lemma size_still n : size (still n) = n.
Proof. unfold still; simpl; ring. Qed.

Lemma map_size_entry w i : inputs_ok w [i] = true -> map size (entry w i) = lengths i.
Proof.
assert (S : map size (map still (lengths i)) = lengths i).
{ rewrite map_map. induction (lengths i); simpl; f_equal; auto. apply size_still. }
unfold inputs_ok, entry. simpl. destruct (shifted i) as [a|]; [|auto].
rewrite !andb_true_iff, Nat.ltb_lt, Z.eqb_eq. intros [_ [[L E] _]].
apply (list_eq _ 0); [rewrite map_length, setn_length, map_length; auto|]. intro b.
destruct (Nat.eq_dec a b) as [<-|N].
- rewrite (nth_indep _ 0 (size [])) by (rewrite map_length, setn_length, map_length; auto). rewrite map_nth, nth_setn_same.
  + unfold scene; simpl. lia.
  + rewrite map_length; auto.
- rewrite <- S at 2. destruct (Nat.lt_ge_cases b (length (lengths i))) as [Lb|Gb].
  + rewrite (nth_indep _ 0 (size [])) by (rewrite map_length, setn_length, map_length; auto). rewrite map_nth, nth_setn_other by auto.
    rewrite (nth_indep _ 0 (size [])) by (rewrite !map_length; auto). rewrite map_nth; auto.
  + rewrite !nth_overflow; auto; rewrite !map_length, ?setn_length, ?map_length; auto.
Qed.

(** The cells of an input's state: one digit for each axis. *)
Lemma heads w i k dss : inboxes (entry w i) dss ->
  ranks (entry w i) dss = map (hd 0) dss /\
  map (hd 0) (namess k (entry w i) dss) =
    match shifted i with
    | None => ranks (entry w i) dss
    | Some a => setn a (nth a (ranks (entry w i) dss) 0 - k * shift w) (ranks (entry w i) dss)
    end.
Proof.
assert (Still : forall ls dss, inboxes (map still ls) dss ->
  ranks (map still ls) dss = map (hd 0) dss /\ map (hd 0) (namess k (map still ls) dss) = ranks (map still ls) dss).
{ induction ls as [|n ls IH]; simpl; intros ds B; inversion B as [|? d ? ds' D Ds]; subst; [auto|].
  destruct (one_digit _ _ D) as (e & -> & _ & Rk). destruct (IH _ Ds) as [H1 H2]. simpl in *. rewrite Rk, H1, H2.
  split; auto. f_equal; try congruence; unfold name; simpl; ring. }
unfold entry. destruct (shifted i) as [a|]; [|apply Still].
generalize (lengths i) as ls. revert dss. induction a as [|a IH]; intros dss [|n ls]; simpl; intro B;
  inversion B as [|? d ? ds' D Ds]; subst; simpl; auto;
  destruct (one_digit _ _ D) as (e & -> & _ & Rk).
- destruct (Still _ _ Ds) as [H1 H2]. unfold scene in *. simpl in *. rewrite Rk, H1, H2. split; auto.
  f_equal; try congruence; unfold name; simpl; ring.
- destruct (IH _ _ Ds) as [H1 H2]. simpl in *. rewrite Rk, H2. split; [congruence|].
  f_equal. unfold name; simpl; ring.
Qed.

Definition whole_scene (w : walk) (k : Z) (i : input) (x y : array R) : signal := fun m =>
  let j := map (hd 0) m in
  match shifted i with
  | None => x j
  | Some a =>
      if cyclic w then x (setn a (nth a j 0 mod cells w) j)
      else if (0 <=? nth a j 0) && (nth a j 0 <? cells w) then x j
           else y (setn a (nth a j 0 + k * shift w) j)
  end.

Theorem inputs_described w k i x y : inputs_ok w [i] = true -> k <> 0 -> follows w k i x y ->
  describes (entry w i) (whole_scene w k i x y) (runs w k i x y).
Proof.
intros OK K F. split.
- intros m m' [L S]. unfold whole_scene.
  assert (Eq : forall b, shifted i <> Some b -> nth b (map (hd 0) m) 0 = nth b (map (hd 0) m') 0).
  { intros b Nb. specialize (S b). rewrite !(map_nth (hd 0) _ [] b : nth b (map (hd 0) _) 0 = _).
    destruct (Nat.lt_ge_cases b (length (lengths i))) as [Lb|Gb].
    - unfold entry in S. assert (St : nth b (map still (lengths i)) [] = still (nth b (lengths i) 0)).
      { rewrite (nth_indep _ [] (still 0)) by (rewrite map_length; auto). apply map_nth. }
      destruct (shifted i) as [a|]; [rewrite nth_setn_other in S by congruence|]; rewrite St in S;
        apply same_still in S; congruence.
    - assert (O : nth b (entry w i) [] = []).
      { apply nth_overflow. unfold entry. destruct (shifted i); rewrite ?setn_length, map_length; auto. }
      rewrite O in S. simpl in S. congruence. }
  destruct (shifted i) as [a|] eqn:Sh.
  + assert (Set_ : forall v, setn a v (map (hd 0) m) = setn a v (map (hd 0) m')).
    { intro v. apply (list_eq _ 0); [rewrite !setn_length, !map_length; auto|]. intro b.
      destruct (Nat.eq_dec a b) as [<-|N].
      - destruct (Nat.lt_ge_cases a (length m)).
        + rewrite !nth_setn_same; auto; rewrite map_length; lia.
        + rewrite !nth_overflow; auto; rewrite setn_length, map_length; lia.
      - rewrite !nth_setn_other by auto. apply Eq. congruence. }
    unfold inputs_ok in OK. simpl in OK. rewrite Sh, !andb_true_iff, Nat.ltb_lt in OK. destruct OK as [_ [[La _] _]].
    specialize (S a). unfold entry in S. rewrite Sh, nth_setn_same in S by (rewrite map_length; auto).
    assert (Na : cong (if cyclic w then cells w else 0) (nth a (map (hd 0) m) 0) (nth a (map (hd 0) m') 0)).
    { rewrite !(map_nth (hd 0) _ [] a : nth a (map (hd 0) _) 0 = _). unfold scene in S.
      destruct (nth a m []) as [|n r], (nth a m' []) as [|n' r']; simpl in S |- *; try discriminate; auto using cong_refl.
      tauto. }
    destruct (cyclic w).
    * destruct Na as [q Q]. replace (nth a (map (hd 0) m) 0) with (nth a (map (hd 0) m') 0 + q * cells w) by lia.
      destruct (Z.eq_dec (cells w) 0) as [Z0|NZ]; [rewrite Z0, Z.mul_0_r, Z.add_0_r|rewrite Z.mod_add by auto]; rewrite Set_; auto.
    * destruct Na as [q Q]. assert (E : nth a (map (hd 0) m) 0 = nth a (map (hd 0) m') 0) by lia.
      assert (M : map (hd 0) m = map (hd 0) m').
      { rewrite <- (setn_nth _ a 0 (map (hd 0) m)), E, Set_. apply setn_nth. }
      rewrite M; auto.
  + f_equal. apply (list_eq _ 0); [rewrite !map_length; auto|]. intro b. apply Eq. discriminate.
- intros l dss B. destruct (heads w i l dss B) as [_ Nm]. unfold whole_scene. rewrite Nm.
  pose proof (within_ranks _ _ B) as In. rewrite map_size_entry in In by auto.
  set (j := ranks (entry w i) dss) in *. specialize (F j In). unfold runs.
  unfold inputs_ok in OK. simpl in OK.
  destruct (shifted i) as [a|].
  + rewrite !andb_true_iff, Nat.ltb_lt, Z.ltb_lt, Z.eqb_eq in OK. destruct OK as [[P _] [[La Lc] _]].
    assert (Lj : length j = length (lengths i)) by (clear - In; induction In; simpl; auto).
    rewrite !nth_setn_same by lia. rewrite !setn_setn.
    assert (Bj : 0 <= nth a j 0 < cells w).
    { rewrite <- Lc. clear - In La. revert a La. induction In as [|n x ns xs H _ IH]; intros [|a] L; simpl in *; try lia.
      apply IH; lia. }
    destruct (cyclic w).
    * destruct (Z.eqb_spec l 0) as [->|]; [rewrite Z.mul_0_l, Z.sub_0_r, Z.mod_small, setn_nth by auto; auto|].
      destruct (Z.eqb_spec l k) as [->|]; auto.
    * destruct (Z.eqb_spec l 0) as [->|].
      { rewrite Z.mul_0_l, Z.sub_0_r, setn_nth.
        replace ((0 <=? nth a j 0) && (nth a j 0 <? cells w)) with true; auto.
        symmetry; apply andb_true_iff; lia. }
      destruct (Z.eqb_spec l k) as [->|]; [|cbv zeta; destruct (_ && _); auto].
      destruct ((0 <=? nth a j 0 - k * shift w) && _) eqn:Q.
      -- apply F. apply andb_true_iff in Q; lia.
      -- replace (nth a j 0 - k * shift w + k * shift w) with (nth a j 0) by ring. rewrite setn_nth; auto.
  + destruct (l =? 0); auto. destruct (l =? k); auto.
Qed.

Inductive all_follow (w : walk) (k : Z) : list input -> list (array R) -> list (array R) -> Prop :=
| follow_nil : all_follow w k [] [] []
| follow_cons i x y is xs ys : follows w k i x y -> all_follow w k is xs ys ->
    all_follow w k (i :: is) (x :: xs) (y :: ys).

Fixpoint families (w : walk) (k : Z) (is : list input) (xs ys : list (array R)) : list family :=
  match is, xs, ys with i :: is, x :: xs, y :: ys => runs w k i x y :: families w k is xs ys | _, _, _ => [] end.

Lemma inputs_ok_cons w i is : inputs_ok w (i :: is) = true -> inputs_ok w [i] = true /\ inputs_ok w is = true.
Proof. unfold inputs_ok. simpl. rewrite !andb_true_iff. tauto. Qed.

Lemma enter_good w k is xs ys : inputs_ok w is = true -> k <> 0 -> all_follow w k is xs ys ->
  forall sigs e E, good fn sigs e E -> (forall l, length (E l) = length e) ->
  exists sigs', good fn sigs' (e ++ enter w (length e) is) (fun l => E l ++ map (fun V => V l) (families w k is xs ys)).
Proof.
intros OK K F. induction F as [|i x y is xs ys F _ IH]; simpl; intros sigs e E G L.
- exists sigs. rewrite app_nil_r. intros z v H. destruct (G z v H) as [O D]. split; auto.
  apply (describes_ext _ _ _ _ D). intros. rewrite app_nil_r; auto.
- apply inputs_ok_cons in OK. destruct OK as [OK OKs].
  assert (Rt : right sigs (length e) (fresh (length e) (entry w i)) (runs w k i x y)).
  { apply fresh_right. eexists. apply (inputs_described w k); auto. }
  destruct (good_app fn sigs e E _ _ (fun l => E l ++ [runs w k i x y l]) G Rt L ltac:(auto)) as [sigs1 G1].
  destruct (IH OKs sigs1 _ _ G1) as [sigs2 G2]; [intro l; rewrite !app_length, L; auto|].
  exists sigs2. rewrite app_length in G2. simpl in G2. rewrite Nat.add_1_r, <- app_assoc in G2. simpl in G2.
  intros z v H. destruct (G2 z v H) as [O D]. split; auto.
  apply (describes_ext _ _ _ _ D). intros. rewrite <- app_assoc; auto.
Qed.

Lemma families_ends w k is xs ys : k <> 0 -> all_follow w k is xs ys ->
  map (fun V => V 0) (families w k is xs ys) = xs /\ map (fun V => V k) (families w k is xs ys) = ys.
Proof.
intros K F. induction F as [|i x y is xs ys _ _ [H1 H2]]; simpl; auto. rewrite H1, H2. split; f_equal.
unfold runs. destruct (Z.eqb_spec k 0); [contradiction|]. rewrite Z.eqb_refl; auto.
Qed.

(** Every state that a row of an accepted derivation asserts describes the value, in all runs. *)
Theorem confirmed w is p x B k xs ys : inputs_ok w is = true -> confirms (look (states w is p) x) B = true ->
  k <> 0 -> all_follow w k is xs ys ->
  exists U V, describes B U V /\ V 0 = get R fn (run R fn p xs) x /\ V k = get R fn (run R fn p ys) x.
Proof.
intros OK H K F.
destruct (enter_good w k is xs ys OK K F (fun _ _ => nothing R fn) [] (fun _ => [])) as [sigs G]; auto.
{ intros z v L. unfold look in L. destruct z; discriminate. }
simpl in G. destruct (families_ends w k is xs ys K F) as [E0 Ek].
destruct (program_sound fn p _ _ _ G C) as [sigs' G'].
{ intro l. rewrite map_length. clear - F. generalize 0%nat as n. induction F; simpl; auto. }
fold (states w is p) in G'. destruct (look (states w is p) x) as [v|] eqn:L; [|discriminate].
destruct (G' x v L) as [_ D]. destruct (confirms_ok v B _ _ H D) as [U D'].
exists U. eexists. split; [apply D'|]. cbv beta. rewrite E0, Ek. auto.
Qed.

(** Positions i in run 0 and j in run k of which a claim says that they show the same. *)
Inductive related (w : walk) (k : Z) : list along_axis -> list Z -> list Z -> Prop :=
| related_nil : related w k [] [] []
| related_cons c i j cs is js : 0 <= i < extent c -> 0 <= j < extent c ->
    (if moves c =? 0 then j = i
     else if cyclic w then i = (j - k * moves c) mod extent c
     else first c <= i < last c /\ first c <= j < last c /\ j = i + k * moves c) ->
    related w k cs is js -> related w k (c :: cs) (i :: is) (j :: js).

Theorem related_names w k cs i j : related w k cs i j ->
  exists d e, inboxes (map (claimed w) cs) d /\ inboxes (map (claimed w) cs) e /\
    ranks (map (claimed w) cs) d = i /\ ranks (map (claimed w) cs) e = j /\
    sames (map (claimed w) cs) (namess k (map (claimed w) cs) e) (namess 0 (map (claimed w) cs) d).
Proof.
induction 1 as [|c i j cs is js I J S _ (d & e & D & E & Rd & Re & N)].
- exists [], []. simpl. split; [constructor|split; [constructor|split; [auto|split; [auto|apply sames_refl]]]].
- exists ([i] :: d), ([j] :: e). cbn [map ranks namess]. rewrite Rd, Re.
  assert (One : forall q, inb (hd (Factor 0 0 0 0 0 0) (claimed w c)) q -> inbox (claimed w c) [q] /\ rank (claimed w c) [q] = q).
  { intros q Q. unfold claimed in *. simpl in *. split; [constructor; auto|ring]. }
  assert (In : inb (hd (Factor 0 0 0 0 0 0) (claimed w c)) i /\ inb (hd (Factor 0 0 0 0 0 0) (claimed w c)) j).
  { unfold claimed, inb. simpl. destruct (moves c =? 0); simpl; [lia|]. destruct (cyclic w); simpl; lia. }
  destruct In as [Ii Ij]. destruct (One i Ii) as [Bi Ri]. destruct (One j Ij) as [Bj Rj]. rewrite Ri, Rj.
  split; [constructor; auto|split; [constructor; auto|split; [auto|split; [auto|]]]].
  destruct N as [NL N]. split; [simpl; auto|]. intros [|a]; simpl; [|apply N].
  unfold claimed. simpl. split; auto. unfold name. destruct (moves c =? 0); simpl.
  + subst. exists 0. ring.
  + destruct (cyclic w); simpl.
    * exists ((j - k * moves c) / extent c). pose proof (Z.div_mod (j - k * moves c) (extent c) ltac:(lia)). lia.
    * exists 0. lia.
Qed.

(** The meaning of an accepted claim: for all arrays, of any numbers, and all functions of these that the program names. *)
Theorem accepted w is p leaf cs k xs ys : accepts w is p leaf cs = true -> k <> 0 -> all_follow w k is xs ys ->
  forall i j, related w k cs i j -> get R fn (run R fn p ys) leaf j = get R fn (run R fn p xs) leaf i.
Proof.
unfold accepts. intros A K F i j Rl. apply andb_true_iff in A; destruct A as [OK A].
destruct (confirmed w is p leaf _ k xs ys OK A K F) as (U & V & [I S] & <- & <-).
destruct (related_names w k cs i j Rl) as (d & e & D & E & <- & <- & N).
rewrite !S by auto. apply I; auto.
Qed.

End Claims.

(** The two claims, written out for an output with one moving axis [m cells, t], all others still. *)
Theorem cyclic_claim {R} (fn : functions R) N s is p leaf m t k xs ys : sound_functions R fn ->
  accepts (Walk true N s) is p leaf [AlongAxis m t 0 m] = true -> k <> 0 -> t <> 0 ->
  all_follow (Walk true N s) k is xs ys ->
  forall j, 0 <= j < m ->
  get R fn (run R fn p ys) leaf [j] = get R fn (run R fn p xs) leaf [(j - k * t) mod m].
Proof.
intros C A K T F j J. apply (accepted fn C _ _ _ _ _ k xs ys A K F).
pose proof (Z.mod_pos_bound (j - k * t) m ltac:(lia)).
constructor; simpl; auto; [|constructor]. destruct (Z.eqb_spec t 0); [contradiction|auto].
Qed.

Theorem interior_claim {R} (fn : functions R) N s is p leaf m t lo hi k xs ys : sound_functions R fn ->
  accepts (Walk false N s) is p leaf [AlongAxis m t lo hi] = true -> k <> 0 -> t <> 0 -> 0 <= lo -> hi <= m ->
  all_follow (Walk false N s) k is xs ys ->
  forall j, lo <= j < hi -> lo <= j + k * t < hi ->
  get R fn (run R fn p ys) leaf [j + k * t] = get R fn (run R fn p xs) leaf [j].
Proof.
intros C A K T L H F j J Jt. apply (accepted fn C _ _ _ _ _ k xs ys A K F).
constructor; simpl; try lia; [|constructor]. destruct (Z.eqb_spec t 0); [contradiction|lia].
Qed.

(** It runs: a window of three cells with a wrap-around pad, then one of two with stride two. *)
Definition windows (x : nat) (l start stride taps count : Z) : list instr :=
  [Unfold x 1 0 l start stride 1 taps count false; Reindex (x + 1) [Some 1%nat] [1; count * taps];
   Recut (x + 2) 0 (count * taps) taps; Along (x + 3) 1 taps 1 false; Reindex (x + 4) [Some 0%nat; None] [count]].
Definition wrapped : list instr :=
  [Const []; Slice 0 0 8 7 1 1; Slice 0 0 8 0 1 1; Cat 2 0 0 1 8; Cat 4 3 0 9 1]
  ++ windows 5 10 0 1 3 8 ++ windows 10 8 0 2 2 4.
Definition zero_padded : list instr := [Const []; Map [0%nat]; Map [2%nat]; Map [3%nat]; Map [4%nat]]
  ++ windows 5 8 (-1) 1 3 8 ++ windows 10 8 0 2 2 4.
Definition one_axis : list input := [Input [8] (Some 0%nat)].

Example wrapped_accepted : accepts (Walk true 8 2) one_axis wrapped 15 [AlongAxis 4 1 0 4] = true.
Proof. vm_compute. reflexivity. Qed.
Example smaller_shift_rejected : accepts (Walk true 8 1) one_axis wrapped 15 [AlongAxis 4 1 0 4] = false.
Proof. vm_compute. reflexivity. Qed.
Example zero_padded_not_cyclic : accepts (Walk true 8 2) one_axis zero_padded 15 [AlongAxis 4 1 0 4] = false.
Proof. vm_compute. reflexivity. Qed.
Example interior_accepted : accepts (Walk false 8 2) one_axis zero_padded 15 [AlongAxis 4 1 1 3] = true.
Proof. vm_compute. reflexivity. Qed.
Example larger_region_rejected : accepts (Walk false 8 2) one_axis zero_padded 15 [AlongAxis 4 1 1 4] = false.
Proof. vm_compute. reflexivity. Qed.
