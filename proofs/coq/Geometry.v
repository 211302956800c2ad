(** * The arithmetic of sliding windows, as jaxconv/window.py has it

    In words: [out] is the number of positions at which the window fits on the padded axis, no more and no fewer
    ([out_counts_the_windows_that_fit]); every tap reads a cell of the input or a zero, never anything else
    ([cells_are_in_range]); inside of the input a tap reads the cell where it stands, and beyond it each boundary is the
    copy that its name says: around the circle, mirrored in the border cell or in its outer edge, or the nearest cell
    ([circular_cell] to [edge_cell]).  The named paddings give the lengths that they promise ([valid_out] to
    [centred_out]), "SAME" with the fewest zeros that do so ([same_is_least]).

    The definitions repeat window.py line by line, names included; Python's [//] and [%] round and take signs as [Z]'s
    [/] and [mod] do.  That the two texts agree is a test: proofs/golden/windows.json holds what these definitions
    compute. *)
From Coq Require Import ZArith Lia List Bool.
Import ListNotations.
Local Open Scope Z_scope.
Set Implicit Arguments.

Inductive boundary := ZERO | CIRCULAR | REFLECT | SYMMETRIC | EDGE.
Inductive padding := VALID | SAME | SAME_LOWER | CAUSAL | CENTRED (b : boundary).

Definition reflect i length := let period := Z.max (2 * (length - 1)) 1 in Z.min (i mod period) (- i mod period).

(** The cell that stands at coordinate [i], outside of [0, length); None is a zero. *)
Definition beyond b i length : option Z :=
  match b with
  | ZERO => None
  | CIRCULAR => Some (i mod length)
  | REFLECT => Some (reflect i length)
  | SYMMETRIC => Some (Z.min (i mod (2 * length)) ((- i - 1) mod (2 * length)))  (* Python's ~i is -i - 1 *)
  | EDGE => Some (Z.min (Z.max i 0) (length - 1))
  end.

Record pad := Pad { lo : Z; hi : Z; bound : boundary }.
Record axis := Axis { length : Z; taps : Z; stride : Z; dilation : Z; padded_by : pad }.

Definition span a := dilation a * (taps a - 1) + 1.
Definition padded a := lo (padded_by a) + length a + hi (padded_by a).
Definition out a := if padded a <? span a then 0 else (padded a - span a) / stride a + 1.
Definition inside i n := (0 <=? i) && (i <? n).
Definition cell a i := if inside i (length a) then Some i else beyond (bound (padded_by a)) i (length a).
Definition coordinate a j u := j * stride a - lo (padded_by a) + u * dilation a.
Definition read a j u := cell a (coordinate a j u).

Definition range n := map Z.of_nat (seq 0 (Z.to_nat n)).
Definition reads a j := map (read a j) (range (taps a)).

(** ceil(length / stride), rounded by negation as Python does it. *)
Definition ceil n s := - (- n / s).
Definition same length span stride :=
  let total := Z.max ((ceil length stride - 1) * stride + span - length) 0 in Pad (total / 2) (total - total / 2) ZERO.
Definition same_lower length span stride :=
  let p := same length span stride in Pad (hi p) (lo p) ZERO.
Definition pads p length span stride : pad :=
  match p with
  | VALID => Pad 0 0 ZERO
  | SAME => same length span stride
  | SAME_LOWER => same_lower length span stride
  | CAUSAL => Pad (span - 1) 0 ZERO
  | CENTRED b => Pad ((span - 1) / 2) (span / 2) b
  end.
Definition made p length taps stride dilation :=
  Axis length taps stride dilation (pads p length (dilation * (taps - 1) + 1) stride).

Ltac fields := cbn [lo hi bound padded_by pads made length taps stride dilation same_lower beyond].
Ltac Zdiv a b := pose proof (Z.mul_div_le a b ltac:(lia)); pose proof (Z.mul_succ_div_gt a b ltac:(lia)).

(** ** How many windows fit *)
Theorem out_counts_the_windows_that_fit a j : 0 < stride a -> 0 <= j ->
  (j < out a <-> j * stride a + span a <= padded a).
Proof.
  intros s_pos j_pos; unfold out; destruct (Z.ltb_spec (padded a) (span a)); [nia|].
  Zdiv (padded a - span a) (stride a); nia.
Qed.

Theorem out_is_not_negative a : 0 < stride a -> 0 <= out a.
Proof.
  intro s_pos; unfold out; destruct (Z.ltb_spec (padded a) (span a)); [lia|].
  pose proof (Z.div_pos (padded a - span a) (stride a)); lia.
Qed.

(** Every tap of a window that fits stands within the padded axis. *)
Theorem taps_stay_within_the_padding a j u :
  0 < stride a -> 0 < dilation a -> 0 <= j < out a -> 0 <= u < taps a ->
  - lo (padded_by a) <= coordinate a j u < length a + hi (padded_by a).
Proof.
  intros s_pos d_pos j_in u_in.
  pose proof (proj1 (out_counts_the_windows_that_fit a s_pos (proj1 j_in)) (proj2 j_in)) as fits.
  unfold coordinate; unfold span, padded in fits; nia.
Qed.

(** A longer axis has at least as many windows: what lets window.py search lengths by bisection. *)
Theorem out_is_monotone a length' : 0 < stride a -> length a <= length' ->
  out a <= out (Axis length' (taps a) (stride a) (dilation a) (padded_by a)).
Proof.
  intros s_pos le; unfold out, padded, span; simpl.
  destruct (Z.ltb_spec (lo (padded_by a) + length a + hi (padded_by a)) (dilation a * (taps a - 1) + 1));
  destruct (Z.ltb_spec (lo (padded_by a) + length' + hi (padded_by a)) (dilation a * (taps a - 1) + 1)); try lia.
  - pose proof (Z.div_pos (lo (padded_by a) + length' + hi (padded_by a) - (dilation a * (taps a - 1) + 1)) (stride a)).
    lia.
  - apply Z.add_le_mono_r, Z.div_le_mono; lia.
Qed.

(** ** Which cell a tap reads *)
Lemma insideP i n : inside i n = true <-> 0 <= i < n.
Proof. unfold inside; rewrite andb_true_iff, Z.leb_le, Z.ltb_lt; tauto. Qed.

Theorem inside_reads_itself a i : 0 <= i < length a -> cell a i = Some i.
Proof. intro in_range; unfold cell; apply insideP in in_range; now rewrite in_range. Qed.

Lemma mod_opp i p : 0 < p -> - i mod p = (if i mod p =? 0 then 0 else p - i mod p).
Proof.
  intro pos; destruct (Z.eqb_spec (i mod p) 0) as [e|e].
  - now apply Z.mod_opp_l_z; [lia|].
  - now apply Z.mod_opp_l_nz; [lia|].
Qed.

Lemma reflect_spec i n : 0 < n -> 0 <= reflect i n < n.
Proof.
  intro pos; unfold reflect; set (p := Z.max (2 * (n - 1)) 1).
  assert (p_pos : 0 < p) by lia.
  rewrite mod_opp by exact p_pos; pose proof (Z.mod_pos_bound i p p_pos).
  destruct (Z.eqb_spec (i mod p) 0); lia.
Qed.

Lemma symmetric_min i n : 0 < n ->
  (- i - 1) mod (2 * n) = 2 * n - 1 - i mod (2 * n).
Proof.
  intro pos; symmetry; apply Z.mod_unique with (q := - (i / (2 * n)) - 1).
  - left; pose proof (Z.mod_pos_bound i (2 * n)); lia.
  - pose proof (Z.div_mod i (2 * n)); nia.
Qed.

Lemma Some_inj (x y : Z) : Some x = Some y -> x = y. Proof. congruence. Qed.

Theorem cells_are_in_range a i m : 0 < length a -> cell a i = Some m -> 0 <= m < length a.
Proof.
  intros pos; unfold cell; destruct (inside i (length a)) eqn:e.
  - intro q; injection q as <-; now apply insideP.
  - destruct (bound (padded_by a)); cbn [beyond]; intro q; try discriminate;
      apply (Some_inj (y := m)) in q; subst m.
    + apply Z.mod_pos_bound; lia.
    + now apply reflect_spec.
    + rewrite symmetric_min by lia; pose proof (Z.mod_pos_bound i (2 * length a)); lia.
    + lia.
Qed.

(** Zeros are read beyond the border under ZERO, and nowhere else under any boundary. *)
Theorem zeros_are_outside a i :
  cell a i = None <-> bound (padded_by a) = ZERO /\ ~ 0 <= i < length a.
Proof.
  rewrite <- insideP; unfold cell; destruct (inside i (length a)); simpl; [split; [discriminate|tauto]|].
  destruct (bound (padded_by a)); simpl; split; try discriminate; try (intros [? _]; discriminate); auto.
Qed.

Section Boundaries.
Variables (n t s d l h : Z).
Hypothesis n_pos : 0 < n.
Notation cell_of b := (cell (Axis n t s d (Pad l h b))).
Ltac by_cases i := unfold cell, inside; simpl;
  destruct (Z.leb_spec 0 i); destruct (Z.ltb_spec i n); simpl.

(** The same place on the circle of [n] cells. *)
Theorem circular_cell i : exists q, cell_of CIRCULAR i = Some (i - q * n) /\ 0 <= i - q * n < n.
Proof.
  exists (i / n); pose proof (Z.div_mod i n); pose proof (Z.mod_pos_bound i n).
  assert (e : i - i / n * n = i mod n) by lia; rewrite e.
  split; [|lia].
  by_cases i; try reflexivity; now rewrite Z.mod_small.
Qed.

(** REFLECT's cells, in and out of range, are one formula; so they are mirrored in the first cell and in the last.  With
    [inside_reads_itself] this says which cell stands where, everywhere. *)
Lemma reflect_inside i : 0 <= i < n -> reflect i n = i.
Proof.
  intro i_in; unfold reflect; set (p := Z.max (2 * (n - 1)) 1).
  assert (p_pos : 0 < p) by lia; rewrite mod_opp by exact p_pos.
  destruct (Z.eq_dec n 1) as [one|]; [now replace i with 0 by lia; rewrite Z.mod_0_l by lia|].
  rewrite Z.mod_small by lia; destruct (Z.eqb_spec i 0); lia.
Qed.
Lemma cell_reflect i : cell_of REFLECT i = Some (reflect i n).
Proof.
  unfold cell; fields; destruct (inside i n) eqn:e; [|reflexivity].
  apply insideP in e; now rewrite reflect_inside.
Qed.
Theorem reflect_cell i :
  cell_of REFLECT (- i) = cell_of REFLECT i /\ cell_of REFLECT (2 * (n - 1) - i) = cell_of REFLECT i.
Proof.
  rewrite !cell_reflect; unfold reflect; set (p := Z.max (2 * (n - 1)) 1).
  rewrite Z.opp_involutive; split; [now rewrite Z.min_comm|].
  assert (p_pos : 0 < p) by lia.
  destruct (Z.eq_dec n 1) as [->|].
  - replace p with 1 by lia; now rewrite !Z.mod_1_r.
  - assert (p = 2 * (n - 1)) as <- by lia.
    replace (p - i) with (- i + 1 * p) by lia; replace (- (- i + 1 * p)) with (i + (-1) * p) by lia.
    rewrite !Z_mod_plus_full; now rewrite Z.min_comm.
Qed.

(** SYMMETRIC mirrors in the outer edges, between the cells -1 and 0 and between n - 1 and n. *)
Lemma cell_symmetric i : cell_of SYMMETRIC i = Some (Z.min (i mod (2 * n)) ((- i - 1) mod (2 * n))).
Proof.
  unfold cell; fields; destruct (inside i n) eqn:e; [|reflexivity].
  apply insideP in e; rewrite symmetric_min, Z.mod_small by lia; f_equal; lia.
Qed.
Theorem symmetric_cell i :
  cell_of SYMMETRIC (- 1 - i) = cell_of SYMMETRIC i /\ cell_of SYMMETRIC (2 * n - 1 - i) = cell_of SYMMETRIC i.
Proof.
  rewrite !cell_symmetric; split; f_equal; rewrite Z.min_comm; f_equal.
  - f_equal; lia.
  - f_equal; lia.
  - replace (- (2 * n - 1 - i) - 1) with (i + (-1) * (2 * n)) by lia; apply Z_mod_plus_full.
  - replace (2 * n - 1 - i) with (- i - 1 + 1 * (2 * n)) by lia; apply Z_mod_plus_full.
Qed.

(** These laws leave no choice: what is mirrored so, and is itself inside of the axis, is these cells. *)
Lemma periodic_mod (f : Z -> option Z) p : 0 < p -> (forall i, f (i + p) = f i) -> forall i, f i = f (i mod p).
Proof.
  intros p_pos periodic i.
  assert (many : forall k j, f (j + k * p) = f j).
  { intro k; induction k as [|k IH|k IH] using Z.peano_ind; intro j.
    - f_equal; lia.
    - replace (j + Z.succ k * p) with (j + k * p + p) by lia; now rewrite periodic.
    - rewrite <- (IH j), <- periodic; f_equal; lia. }
  rewrite <- (many (i / p) (i mod p)); f_equal; pose proof (Z.div_mod i p); lia.
Qed.

Theorem reflect_is_determined (f : Z -> option Z) : 1 < n -> (forall i, 0 <= i < n -> f i = Some i) ->
  (forall i, f (- i) = f i) -> (forall i, f (2 * (n - 1) - i) = f i) -> forall i, f i = cell_of REFLECT i.
Proof.
  intros two itself first last i; set (p := 2 * (n - 1)) in *.
  assert (p_pos : 0 < p) by lia.
  rewrite cell_reflect; unfold reflect; replace (Z.max (2 * (n - 1)) 1) with p by lia.
  rewrite mod_opp by exact p_pos; rewrite (periodic_mod f p_pos).
  - pose proof (Z.mod_pos_bound i p p_pos); destruct (Z.eqb_spec (i mod p) 0) as [->|]; [now apply itself; lia|].
    destruct (Z.ltb_spec (i mod p) n); [rewrite itself by lia|rewrite <- last, itself by lia]; f_equal; lia.
  - intro j; replace (j + p) with (p - - j) by lia; now rewrite last, first.
Qed.

Theorem symmetric_is_determined (f : Z -> option Z) : (forall i, 0 <= i < n -> f i = Some i) ->
  (forall i, f (- 1 - i) = f i) -> (forall i, f (2 * n - 1 - i) = f i) -> forall i, f i = cell_of SYMMETRIC i.
Proof.
  intros itself first last i; rewrite cell_symmetric, symmetric_min by lia; rewrite (@periodic_mod f (2 * n)).
  - pose proof (Z.mod_pos_bound i (2 * n)).
    destruct (Z.ltb_spec (i mod (2 * n)) n); [rewrite itself by lia|rewrite <- last, itself by lia]; f_equal; lia.
  - lia.
  - intro j; replace (j + 2 * n) with (2 * n - 1 - (- 1 - j)) by lia; now rewrite last, first.
Qed.

(** EDGE reads the nearest cell. *)
Theorem edge_cell i m : cell_of EDGE i = Some m -> forall m', 0 <= m' < n -> Z.abs (i - m) <= Z.abs (i - m').
Proof. by_cases i; intro e; injection e as <-; lia. Qed.
End Boundaries.

(** ** The named paddings *)
Section Named.
Variables (n k s d : Z).
Hypotheses (n_pos : 0 < n) (k_pos : 0 < k) (s_pos : 0 < s) (d_pos : 0 < d).
Notation w := (d * (k - 1) + 1).  (* the span *)

Lemma ceil_spec : (ceil n s - 1) * s < n <= ceil n s * s.
Proof. unfold ceil; Zdiv (- n) s; nia. Qed.
Lemma ceil_pos : 0 < ceil n s. Proof. pose proof ceil_spec; nia. Qed.
Lemma span_pos : 0 < w. Proof. nia. Qed.

Lemma out_unique a m : stride a = s -> 0 < m -> (m - 1) * s + span a <= padded a < m * s + span a -> out a = m.
Proof.
  intros e m_pos [fits beyond_]; assert (pos : 0 < stride a) by lia; rewrite <- e in *.
  pose proof (out_counts_the_windows_that_fit a pos (j := m - 1)).
  pose proof (out_counts_the_windows_that_fit a pos (j := m)); lia.
Qed.

Theorem valid_out : out (made VALID n k s d) = if n <? w then 0 else (n - w) / s + 1.
Proof. unfold out, padded, span; simpl. now rewrite Z.add_0_r. Qed.

Lemma same_total : lo (same n w s) + hi (same n w s) = Z.max ((ceil n s - 1) * s + w - n) 0.
Proof. cbn [lo hi same]; lia. Qed.

Theorem same_out : out (made SAME n k s d) = ceil n s /\ out (made SAME_LOWER n k s d) = ceil n s.
Proof.
  pose proof ceil_spec; pose proof ceil_pos; pose proof span_pos; pose proof same_total.
  split; apply out_unique; unfold padded, span;
    fields; lia.
Qed.

(** With fewer zeros there are fewer windows. *)
Theorem same_is_least p : lo p + hi p < lo (same n w s) + hi (same n w s) -> 0 <= lo p + hi p ->
  out (Axis n k s d p) < ceil n s.
Proof.
  pose proof ceil_pos; rewrite same_total; intros less some.
  pose proof (out_counts_the_windows_that_fit (Axis n k s d p) s_pos (j := ceil n s - 1)).
  unfold padded, span in *; cbn [lo hi padded_by length taps stride dilation] in *; lia.
Qed.

(** Split evenly; an odd zero comes after the axis, or, for SAME_LOWER, before it. *)
Theorem same_is_even :
  let p := same n w s in let q := same_lower n w s in
  (0 <= lo p <= hi p /\ hi p <= lo p + 1) /\ (0 <= hi q <= lo q /\ lo q <= hi q + 1).
Proof.
  cbn [lo hi same same_lower]; set (total := Z.max _ 0); assert (0 <= total) by lia.
  Zdiv total 2; lia.
Qed.

Theorem causal_out : out (made CAUSAL n k s d) = ceil n s.
Proof. pose proof ceil_spec; pose proof ceil_pos; apply out_unique; unfold padded, span; simpl; lia. Qed.

(** The window at [j] ends on cell [j s]. *)
Theorem causal_ends_on j : coordinate (made CAUSAL n k s d) j (k - 1) = j * s.
Proof. unfold coordinate; simpl; lia. Qed.

Theorem centred_out b : out (made (CENTRED b) n k s d) = ceil n s.
Proof.
  pose proof ceil_spec; pose proof ceil_pos; pose proof span_pos.
  assert (total : (w - 1) / 2 + w / 2 = w - 1) by (pose proof (Z.div_mod w 2); pose proof (Z.mod_pos_bound w 2);
      pose proof (Z.div_mod (w - 1) 2); pose proof (Z.mod_pos_bound (w - 1) 2); lia).
  apply out_unique; unfold padded, span; fields; lia.
Qed.

(** The window at [j] is centred on cell [j s]: as many cells before it as after it, or one more after it. *)
Theorem centred_on b j :
  let a := made (CENTRED b) n k s d in
  let before := j * s - coordinate a j 0 in let after := coordinate a j (k - 1) - j * s in
  before <= after <= before + 1.
Proof.
  unfold coordinate; fields.
  pose proof (Z.div_mod (w - 1) 2); pose proof (Z.mod_pos_bound (w - 1) 2); lia.
Qed.

(** ** Lengths from outputs: what bounds window.py's search for the lengths that have so many windows *)
Theorem length_is_bounded_by_out p : 0 <= lo p -> 0 <= hi p -> n <= out (Axis n k s d p) * s + d * k.
Proof.
  intros lo_pos hi_pos; pose proof (out_is_not_negative (Axis n k s d p) s_pos) as nonneg.
  pose proof (out_counts_the_windows_that_fit (Axis n k s d p) s_pos nonneg).
  unfold padded, span in *; cbn [lo hi padded_by length taps stride dilation] in *; lia.
Qed.
End Named.

Theorem named_out_is_monotone p n n' k s d : 0 < n -> 0 < k -> 0 < s -> 0 < d -> n <= n' ->
  out (made p n k s d) <= out (made p n' k s d).
Proof.
  intros n_pos k_pos s_pos d_pos le.
  assert (ceil_le : ceil n s <= ceil n' s) by (unfold ceil; apply -> Z.opp_le_mono; apply Z.div_le_mono; lia).
  destruct p.
  - exact (out_is_monotone (made VALID n k s d) s_pos le).
  - rewrite !(fun n h => proj1 (@same_out n k s d h k_pos s_pos d_pos)) by lia; exact ceil_le.
  - rewrite !(fun n h => proj2 (@same_out n k s d h k_pos s_pos d_pos)) by lia; exact ceil_le.
  - rewrite !causal_out by lia; exact ceil_le.
  - rewrite !centred_out by lia; exact ceil_le.
Qed.
