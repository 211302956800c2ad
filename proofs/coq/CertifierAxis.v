(** Rules along one axis (rules/layout.py, rules/windowed.py): axes that stay, slices, windows, pads. *)
From Coq Require Import ZArith List Lia Bool.
Require Import CertifierDomain.
Import ListNotations.
Open Scope Z_scope.

Definition divides (a b : Z) : bool := b mod a =? 0.

Lemma divides_ok a b : a <> 0 -> divides a b = true -> b = a * (b / a).
Proof. unfold divides; intros N H; apply Z.eqb_eq in H; pose proof (Z.div_mod b a N); lia. Qed.

(** An axis that stays, and of which every cell is described. *)
Definition fixed (f : factor) : bool := (step f =? 0) && (lo f <=? 0) && (len f <=? hi f) && (0 <? len f).
Definition still (n : Z) : axis := [Factor n 0 0 0 n 0].
Definition uniform (n : Z) : axis := [Factor n 0 1 0 n 0].

Fixpoint unrank (fs : axis) (q : Z) : list Z :=
  match fs with [] => [] | f :: fs => q / size fs :: unrank fs (q mod size fs) end.

Lemma fixed_inb f d : fixed f = true -> 0 <= d < len f -> inb f d.
Proof. unfold fixed, inb; rewrite !andb_true_iff, !Z.leb_le; lia. Qed.

Lemma fixed_step f : fixed f = true -> step f = 0.
Proof. unfold fixed; rewrite !andb_true_iff, Z.eqb_eq; tauto. Qed.

Lemma fixed_size fs : forallb fixed fs = true -> 0 < size fs.
Proof.
induction fs as [|f fs IH]; simpl; [lia|]. unfold fixed at 1. rewrite !andb_true_iff, Z.ltb_lt.
intros [[_ H] K]; specialize (IH K); nia.
Qed.

Lemma unrank_ok fs q : forallb fixed fs = true -> 0 <= q < size fs ->
  inbox fs (unrank fs q) /\ rank fs (unrank fs q) = q.
Proof.
revert q; induction fs as [|f fs IH]; simpl; intros q H B; [split; [constructor|lia]|].
apply andb_true_iff in H; destruct H as [F H].
pose proof (fixed_size fs H) as P.
pose proof (Z.mod_pos_bound q _ P). pose proof (Z.div_mod q (size fs) ltac:(lia)).
destruct (IH (q mod size fs) H ltac:(lia)) as [I E].
split; [constructor; auto; apply fixed_inb; auto|rewrite E; lia].
assert (0 <= q / size fs) by (apply Z.div_pos; lia).
assert (q / size fs < len f) by (apply Z.div_lt_upper_bound; lia). lia.
Qed.

Lemma fixed_names fs ds k : forallb fixed fs = true -> names k fs ds = names 0 fs ds.
Proof.
revert ds; induction fs as [|f fs IH]; intros [|d ds]; simpl; auto.
intro H; apply andb_true_iff in H; destruct H as [F H].
unfold name; rewrite (fixed_step f F), (IH ds H); f_equal; ring.
Qed.

Lemma same_still n ns ms : same (still n) ns ms -> ns = ms.
Proof.
destruct ns as [|a ns], ms as [|b ms]; simpl; auto. intros [[q Q] ->]. f_equal; lia.
Qed.

(** Whatever is made of an axis that stays, cell by cell, stays. *)
Theorem local_still {R} fs n (G : Z -> (Z -> R) -> R) : forallb fixed fs = true ->
  (forall i w w', 0 <= i < n -> (forall q, 0 <= q < size fs -> w q = w' q) -> G i w = G i w') -> local fs (still n) G.
Proof.
intros H E.
exists (fun u ns => let i := nth 0 ns 0 in
  if (0 <=? i) && (i <? n) then G i (fun q => u (names 0 fs (unrank fs q))) else u []).
repeat split.
- intros u v Q ns; cbv zeta. destruct ((0 <=? nth 0 ns 0) && _) eqn:B; auto.
  apply andb_true_iff in B; apply E; [lia|auto].
- intros u I ns ms S. apply same_still in S; subst; auto.
- intros k w u I W es B. inversion B as [|f e fs' es' Be B']; subst. inversion B'; subst. simpl.
  unfold inb in Be; simpl in Be. unfold name; simpl. replace (0 + e - k * 0) with e by ring.
  replace (e * 1 + 0) with e by ring. replace ((0 <=? e) && (e <? n)) with true by (symmetry; apply andb_true_iff; lia).
  apply E; [lia|]. intros q Q.
  destruct (unrank_ok fs q H Q) as [J <-]. rewrite W by auto.
  f_equal. rewrite (proj2 (unrank_ok fs q H Q)); apply fixed_names; auto.
Qed.

(** Cells that are all alike, read anywhere. *)
Theorem local_uniform {R} fs gs (at_ : Z -> Z) : forallb fixed fs = true -> forallb (fun f => per f =? 1) fs = true ->
  (forall es, inbox gs es -> 0 <= at_ (rank gs es) < size fs) -> local fs gs (fun i (w : Z -> R) => w (at_ i)).
Proof.
intros H P B. exists (fun u _ => u (map (fun _ => 0) fs)). repeat split; auto.
intros k w u I W es E. destruct (unrank_ok fs _ H (B es E)) as [J <-]. rewrite W by auto. apply I.
clear - P J. induction J as [|f d fs ds _ _ IH]; simpl in *; auto.
apply andb_true_iff in P; destruct P as [P Ps]. apply Z.eqb_eq in P. rewrite P. split; auto.
exists (name k f d); ring.
Qed.

Lemma one_digit f es : inbox [f] es -> exists e, es = [e] /\ inb f e /\ rank [f] es = e.
Proof.
intro E. inversion E as [|? e ? es' B E']; subst. inversion E'; subst.
exists e; repeat split; try apply B. simpl; ring.
Qed.

(** * Reading at positions start + stride*i to last + stride*i *)

Definition lower (f : factor) := Z.max 0 (lo f).
Definition upper (f : factor) := Z.min (len f) (hi f).

Definition read (f : factor) (start last stride count : Z) : option factor :=
  if (stride =? 0) || negb (divides stride (step f)) || negb (divides stride (per f)) then None else
  let g := Factor count (step f / stride) (per f / stride) in
  if 0 <? stride then
    Some (g (- ((start - lower f) / stride)) ((upper f - 1 - last) / stride + 1) ((org f + start) / stride))
  else if stride =? -1 then
    Some (g (last - upper f + 1) (start - lower f + 1) ((org f + start) / stride))
  else None.

Theorem read_ok f start last stride count g : read f start last stride count = Some g ->
  stride <> 0 /\ len g = count /\
  (forall i o, inb g i -> start <= o <= last -> inb f (o + stride * i)) /\
  (forall k i d, name k f (start + d + stride * i) = stride * name k g i + (org f + start) mod stride + d) /\
  (forall a b c, cong (per g) a b -> cong (per f) (stride * a + c) (stride * b + c)).
Proof.
unfold read. destruct (Z.eqb_spec stride 0) as [|N]; simpl; [discriminate|].
destruct (divides stride (step f)) eqn:S; simpl; [|discriminate].
destruct (divides stride (per f)) eqn:P; simpl; [|discriminate].
apply divides_ok in S; auto. apply divides_ok in P; auto.
assert (Main : forall lo' hi', g = Factor count (step f / stride) (per f / stride) lo' hi' ((org f + start) / stride) ->
  (forall i o, inb g i -> start <= o <= last -> inb f (o + stride * i)) ->
  stride <> 0 /\ len g = count /\ (forall i o, inb g i -> start <= o <= last -> inb f (o + stride * i)) /\
  (forall k i d, name k f (start + d + stride * i) = stride * name k g i + (org f + start) mod stride + d) /\
  (forall a b c, cong (per g) a b -> cong (per f) (stride * a + c) (stride * b + c))).
{ intros lo' hi' -> I. split; [auto|split; [auto|split; [auto|split]]]; unfold name; simpl.
  - intros k i d. pose proof (Z.div_mod (org f + start) stride N) as M.
    rewrite S at 1. nia.
  - intros a b c [q Q]; exists q. rewrite P. nia. }
destruct (Z.ltb_spec 0 stride); [|destruct (Z.eqb_spec stride (-1)) as [E|]; [|discriminate]];
  intro G; injection G as G; subst g; eapply Main; try reflexivity; intros i o [A B] O; unfold inb in *; simpl in *;
  unfold lower, upper in *.
- pose proof (Z.mul_div_le (start - Z.max 0 (lo f)) stride ltac:(lia)).
  pose proof (Z.mul_div_le (Z.min (len f) (hi f) - 1 - last) stride ltac:(lia)). nia.
- rewrite E in *. nia.
Qed.

(** slice: out[i] = x[start + stride*i]; rev is the stride -1. *)
Theorem slice_local {R} f start stride count g : read f start start stride count = Some g ->
  local [f] [g] (fun i (w : Z -> R) => w (start + stride * i)).
Proof.
intro H; apply read_ok in H; destruct H as (N & _ & B & M & P).
exists (fun u ns => match ns with n :: r => u ((stride * n + (org f + start) mod stride) :: r) | [] => u [] end).
repeat split.
- intros u v E [|n r]; auto.
- intros u I [|n r] [|m s]; simpl; try discriminate; auto. intros [C ->]. apply I; simpl; split; auto.
- intros k w u I W es E. inversion E as [|? e ? es' Be E']; subst. inversion E'; subst. simpl.
  specialize (W [start + stride * e]). simpl in W. rewrite !Z.mul_1_r, !Z.add_0_r in *.
  rewrite W by (constructor; [apply B|constructor]; auto; lia).
  f_equal. f_equal. specialize (M k e 0). replace (start + 0 + stride * e) with (start + stride * e) in M by ring. lia.
Qed.

(** The windows of conv and reduce_window, unfolded: out[i*taps + u] = x[start + stride*i + dilation*u], z beyond x. *)
Definition unfold {R} (length start stride dilation taps : Z) (z : R) (e : Z) (w : Z -> R) : R :=
  let q := start + stride * (e / taps) + dilation * (e mod taps) in
  if (0 <=? q) && (q <? length) then w q else z.

Theorem unfold_local {R} f start stride dilation taps count (z : R) g :
  0 < taps -> 0 < dilation -> read f start (start + dilation * (taps - 1)) stride count = Some g ->
  local [f] (g :: still taps) (unfold (len f) start stride dilation taps z).
Proof.
intros T D H; apply read_ok in H; destruct H as (N & _ & B & M & P).
exists (fun u ns => match ns with
  n :: m :: r => u ((stride * n + (org f + start) mod stride + dilation * m) :: r) | _ => u [] end).
repeat split.
- intros u v E [|n [|m r]]; auto.
- intros u I ns ms S. destruct ns as [|n [|n' r]], ms as [|m [|m' s]]; simpl in S; try discriminate; auto.
  + destruct S; discriminate.
  + destruct S; discriminate.
  + destruct S as [C [[q Q] ->]]. replace m' with n' by lia. apply I; simpl; split; auto.
    replace (stride * n + (org f + start) mod stride + dilation * n') with
      (stride * n + ((org f + start) mod stride + dilation * n')) by ring.
    replace (stride * m + (org f + start) mod stride + dilation * n') with
      (stride * m + ((org f + start) mod stride + dilation * n')) by ring. auto.
- intros k w u I W es E. inversion E as [|? e ? es' Be E']; subst. inversion E' as [|? d ? ? Bd E'']; subst.
  inversion E''; subst. simpl. unfold inb in Bd; simpl in Bd. unfold unfold.
  replace (e * (taps * 1) + (d * 1 + 0)) with (d + e * taps) by ring.
  rewrite Z.div_add, Z.mod_add, Z.div_small, Z.mod_small, Z.add_0_l by lia.
  assert (J : inb f (start + dilation * d + stride * e)) by (apply B; auto; nia).
  replace (start + stride * e + dilation * d) with (start + dilation * d + stride * e) by ring.
  replace ((0 <=? _) && _) with true by (symmetry; destruct J as [J _]; apply andb_true_iff; lia).
  specialize (W [start + dilation * d + stride * e]). simpl in W. rewrite !Z.mul_1_r, !Z.add_0_r in W.
  rewrite W by (constructor; [auto|constructor]).
  f_equal. f_equal. rewrite M.
  replace (name k (Factor taps 0 0 0 taps 0) d) with d by (unfold name; simpl; ring). ring.
Qed.

(** The same windows, seen from their taps: where the taps move along with x, as a moving kernel's cells do. *)
Theorem unfold_taps_local {R} f start stride dilation taps count (z : R) g :
  0 < taps -> 0 < stride -> 0 <= count ->
  read f start (start + stride * (count - 1)) dilation taps = Some g ->
  local [f] (still count ++ [g]) (unfold (len f) start stride dilation taps z).
Proof.
intros T S C H; apply read_ok in H; destruct H as (N & Lg & B & M & P).
exists (fun u ns => match ns with
  n :: m :: r => u ((dilation * m + (org f + start) mod dilation + stride * n) :: r) | _ => u [] end).
repeat split.
- intros u v E [|n [|m r]]; auto.
- intros u I ns ms Sm. destruct ns as [|n [|n' r]], ms as [|m [|m' s]]; simpl in Sm; try discriminate; auto.
  + destruct Sm; discriminate.
  + destruct Sm; discriminate.
  + destruct Sm as [[q Q] [Cg ->]]. replace m with n by lia. apply I; simpl; split; auto.
    replace (dilation * n' + (org f + start) mod dilation + stride * n) with
      (dilation * n' + ((org f + start) mod dilation + stride * n)) by ring.
    replace (dilation * m' + (org f + start) mod dilation + stride * n) with
      (dilation * m' + ((org f + start) mod dilation + stride * n)) by ring. auto.
- intros k w u I W es E. inversion E as [|? e ? es' Be E']; subst. inversion E' as [|? d ? ? Bd E'']; subst.
  inversion E''; subst. simpl. pose proof Bd as [Bt _]. unfold inb in Be; simpl in Be. unfold unfold.
  replace (e * (len g * 1) + (d * 1 + 0)) with (d + e * len g) by ring.
  rewrite Z.div_add, Z.mod_add, Z.div_small, Z.mod_small, Z.add_0_l by lia.
  assert (J : inb f (start + stride * e + dilation * d)) by (apply B; auto; nia).
  replace ((0 <=? _) && _) with true by (symmetry; destruct J as [J _]; apply andb_true_iff; lia).
  specialize (W [start + stride * e + dilation * d]). simpl in W. rewrite !Z.mul_1_r, !Z.add_0_r in W.
  rewrite W by (constructor; [auto|constructor]).
  f_equal. f_equal. rewrite M.
  replace (name k (Factor count 0 0 0 count 0) e) with e by (unfold name; simpl; ring). ring.
Qed.

(** pad: cells `apart` apart, the first at `before` (negative: cut off), z elsewhere. *)
Definition pad {R} (length before apart : Z) (z : R) (i : Z) (w : Z -> R) : R :=
  if ((i - before) mod apart =? 0) && (0 <=? (i - before) / apart) && ((i - before) / apart <? length)
  then w ((i - before) / apart) else z.

Definition padded (f : factor) (before apart total : Z) : factor :=
  Factor total (step f * apart) (per f * apart) ((lower f - 1) * apart + 1 + before) (upper f * apart + before)
    (org f * apart - before).

Theorem pad_local {R} f before apart total (z : R) : 0 < apart ->
  local [f] [padded f before apart total] (pad (len f) before apart z).
Proof.
intro A.
exists (fun u ns => match ns with n :: r => if n mod apart =? 0 then u (n / apart :: r) else z | [] => z end).
repeat split.
- intros u v E [|n r]; auto. destruct (n mod apart =? 0); auto.
- intros u I [|n r] [|m s]; simpl; try discriminate; auto. intros [[q Q] ->].
  replace n with (m + (q * per f) * apart) by lia. rewrite Z.mod_add, Z.div_add by lia.
  destruct (m mod apart =? 0); auto. apply I; simpl; split; auto. exists q; ring.
- intros k w u I W es E. inversion E as [|? e ? es' Be E']; subst. inversion E'; subst. simpl.
  rewrite Z.mul_1_r, Z.add_0_r. unfold inb in Be; simpl in Be. unfold pad, name; simpl.
  replace (org f * apart - before + e - k * (step f * apart)) with (e - before + (org f - k * step f) * apart) by ring.
  rewrite Z.mod_add, Z.div_add by lia.
  destruct (Z.eqb_spec ((e - before) mod apart) 0) as [M|M]; simpl; auto.
  pose proof (Z.div_mod (e - before) apart ltac:(lia)) as Q. rewrite M, Z.add_0_r in Q.
  set (q := (e - before) / apart) in *. unfold lower, upper in Be.
  assert (J : inb f q) by (unfold inb; nia).
  replace ((0 <=? q) && (q <? len f)) with true by (symmetry; destruct J as [J _]; apply andb_true_iff; lia).
  specialize (W [q]). simpl in W. rewrite !Z.mul_1_r, !Z.add_0_r in W.
  rewrite W by (constructor; [auto|constructor]). f_equal. f_equal. unfold name; ring.
Qed.

(** The padding itself is a window of a signal, too, a constant one, wherever no cell of x stands. *)
Definition frame (g : factor) (length before apart : Z) : bool :=
  (hi g <=? before) || ((length - 1) * apart + before <? lo g).

Theorem frame_local {R} fs g length before apart (z : R) : 0 < apart -> frame g length before apart = true ->
  local fs [g] (pad length before apart z).
Proof.
intros A H. exists (fun _ _ => z). repeat split; auto. intros k w u _ _ es E.
destruct (one_digit _ _ E) as (e & -> & Be & Re). rewrite Re. unfold pad.
destruct ((_ mod _ =? 0) && _ && _) eqn:Q; auto. exfalso.
rewrite !andb_true_iff, Z.eqb_eq, Z.leb_le, Z.ltb_lt in Q. destruct Q as [[M L] U].
pose proof (Z.div_mod (e - before) apart ltac:(lia)) as D. rewrite M, Z.add_0_r in D.
unfold frame in H. rewrite orb_true_iff, Z.leb_le, Z.ltb_lt in H. unfold inb in Be. nia.
Qed.

(** Of x's own cells and the padding on either side, what shows most. *)
Definition longest_part (f : factor) (length before apart total : Z) : factor :=
  let p := padded f before apart total in
  let part lo hi := Factor total (step p) (per p) lo hi 0 in
  let head := part 0 (Z.min before total) in
  let tail := part (Z.max ((length - 1) * apart + before + 1) 0) total in
  let clear f := upper f - lower f in
  let best f g := if clear f <? clear g then g else f in
  let choose g := if frame g length before apart then best p g else p in
  best (choose head) (choose tail).

Lemma longest_part_local {R} f before apart total (z : R) : 0 < apart ->
  local [f] [longest_part f (len f) before apart total] (pad (len f) before apart z).
Proof.
intro A. pose proof (pad_local f before apart total z A) as P. unfold longest_part.
set (p := padded f before apart total) in *.
set (head := Factor total (step p) (per p) 0 _ 0). set (tail := Factor total (step p) (per p) _ total 0).
assert (Choose : forall g, local [f] [if frame g (len f) before apart then if upper p - lower p <? upper g - lower g then g
  else p else p] (pad (len f) before apart z)).
{ intro g. destruct (frame g (len f) before apart) eqn:F; auto.
  destruct (_ <? _); auto. apply frame_local; auto. }
pose proof (Choose head) as H. pose proof (Choose tail) as T. cbv zeta in *.
match goal with |- local _ [if ?b then _ else _] _ => destruct b end; [exact T|exact H].
Qed.
