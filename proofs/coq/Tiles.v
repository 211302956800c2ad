(** * Tiles: a function of a part of the input gives a part of its result

    In words: a function is executed on a whole signal, and on tiles of it.  The tile number [k] begins [k] times the
    shift after the signal does.  A value of the tile agrees with that of the whole on an interval, moved by an offset
    ([agrees]).  The input does ([input_agrees]).  If an operand does, so does the result of

    - a window that slides over it with a stride, a dilation and padding, which may differ between the two executions
      ([window_agrees]);
    - constants before it, after it and between its cells ([spread_agrees]);
    - a function of two operands at each position, where both agree ([both_agree]).

    The interval shrinks by the cells from which a window reads padding, as [derive] computes it.  So a composition of
    such layers agrees on the interval that is derived for it ([derived_agrees]): this is the claim of a tiling.  Where
    tile and whole begin together with the same padding, no cell is lost at the start ([first_tile_keeps_its_start]).
    It is false that a tile may begin at any cell before a stride ([any_offset_is_false]), and that one cell more
    agrees ([one_cell_more_is_false]).

    The definitions repeat jaxconv/verify/tiling/states.py ([state]), agreement.py ([clipped]) and rules/windows.py
    ([slid], [spread]) for tiles inside the whole and operands that move with the tile.

    What is assumed: layers are functions of the cells that they read.  Nothing is assumed of the values. *)
From Coq Require Import ZArith Lia List Bool.
Import ListNotations.
Local Open Scope Z_scope.
Set Implicit Arguments.

(** [whole] and [tile] are lengths; cell [j] of tile [k] lies at [j + offset + k * step] of the whole. *)
Record state := State { whole : Z; tile : Z; offset : Z; step : Z; lo : Z; hi : Z }.
Definition place s k j := j + offset s + k * step s.

(** A cell of an array; beyond it is padding, of whatever kind. *)
Definition cell A length (x : Z -> A) i := if (0 <=? i) && (i <? length) then Some (x i) else None.

(** ceil(a / b), rounded by negation as Python does it. *)
Definition ceil a b := - (- a / b).

Record window := Window
  { taps : Z; stride : Z; dilation : Z; before_whole : Z; before_tile : Z; out_whole : Z; out_tile : Z }.
Record spacing := Spacing { distance : Z; front_whole : Z; front_tile : Z; long_whole : Z; long_tile : Z }.

Definition slide A B (f : (Z -> option A) -> B) length w before (x : Z -> A) : Z -> B :=
  fun j => f (fun u => cell length x (j * stride w - before + u * dilation w)).
Definition spread_out A (c : option A -> A) length e front (x : Z -> A) : Z -> A :=
  fun j => c (if (j - front) mod e =? 0 then cell length x ((j - front) / e) else None).

Section Tiles.
Variables (A : Type) (last : Z).  (** Tiles are numbered from 0 to [last]. *)

Definition agrees B (s : state) (w : Z -> B) (t : Z -> Z -> B) :=
  forall k j, 0 <= k <= last -> lo s <= j < hi s ->
  (0 <= j < tile s /\ 0 <= place s k j < whole s) /\ t k j = w (place s k j).

(** The part of an interval that lies in the tile, and in the whole wherever the tile lies. *)
Definition clipped s :=
  let least := offset s + Z.min 0 (last * step s) in
  let most := offset s + Z.max 0 (last * step s) in
  State (whole s) (tile s) (offset s) (step s)
        (Z.max (lo s) (Z.max 0 (- least))) (Z.min (hi s) (Z.min (tile s) (whole s - most))).

Lemma clipped_agrees B s (w : Z -> B) (t : Z -> Z -> B) :
  (forall k j, 0 <= k <= last -> lo s <= j < hi s -> 0 <= j < tile s -> 0 <= place s k j < whole s ->
   t k j = w (place s k j)) -> agrees (clipped s) w t.
Proof.
intros same k j range inside; unfold clipped, place in *; cbn in *.
assert (between : Z.min 0 (last * step s) <= k * step s <= Z.max 0 (last * step s)).
{ destruct (Z.le_ge_cases 0 (step s)); [assert (0 <= k * step s <= last * step s) by nia
                                       |assert (last * step s <= k * step s <= 0) by nia]; lia. }
split; [lia|]; apply same; lia.
Qed.

(** The input: cell [j] of tile [k] is the whole's cell [k * shift + j]. *)
Definition input n l shift := State n l 0 shift 0 l.
Theorem input_agrees (x : Z -> A) n l shift :
  agrees (clipped (input n l shift)) x (fun k j => x (k * shift + j)).
Proof. apply clipped_agrees; intros; unfold place; cbn; f_equal; lia. Qed.

(** *** A window that slides *)
Definition slid s w :=
  let span := dilation w * (taps w - 1) + 1 in
  let moved := offset s + before_whole w - before_tile w in
  clipped (State (out_whole w) (out_tile w) (moved / stride w) (step s / stride w)
                 (Z.max (ceil (lo s + before_tile w) (stride w)) 0)
                 ((hi s - 1 + before_tile w - (span - 1)) / stride w + 1)).
Definition suits s w :=
  (0 <? stride w) && (0 <? dilation w) && (0 <? taps w) &&
  ((offset s + before_whole w - before_tile w) mod stride w =? 0) && (step s mod stride w =? 0).

(** A function that reads the taps of its window, and nothing else. *)
Definition reads B w (f : (Z -> option A) -> B) :=
  forall a b, (forall u, 0 <= u < taps w -> a u = b u) -> f a = f b.

Lemma cell_inside B length (x : Z -> B) i : 0 <= i < length -> cell length x i = Some (x i).
Proof. intros; unfold cell; replace (0 <=? i) with true by lia; replace (i <? length) with true by lia; reflexivity. Qed.

Theorem window_agrees B s w (f : (Z -> option A) -> B) (v : Z -> A) (t : Z -> Z -> A) :
  suits s w = true -> reads w f -> agrees s v t ->
  agrees (slid s w) (slide f (whole s) w (before_whole w) v)
                    (fun k => slide f (tile s) w (before_tile w) (t k)).
Proof.
unfold suits; rewrite !Bool.andb_true_iff, !Z.ltb_lt, !Z.eqb_eq; intros [[[[ps pd] pt] e1] e2] local same.
apply Z.mod_divide in e1, e2; try lia; destruct e1 as [o e1], e2 as [m e2].
apply clipped_agrees; cbn; unfold place; cbn; rewrite e1, e2, !Z.div_mul by lia.
intros k j range [least most] _ _; unfold slide; apply local; intros u tap.
assert (from : lo s <= j * stride w - before_tile w).
{ unfold ceil in least; pose proof (Z.mul_div_le (- (lo s + before_tile w)) (stride w)); nia. }
assert (to : j * stride w - before_tile w + dilation w * (taps w - 1) < hi s).
{ pose proof (Z.mul_div_le (hi s - 1 + before_tile w - (dilation w * (taps w - 1) + 1 - 1)) (stride w)); nia. }
set (i := j * stride w - before_tile w + u * dilation w).
assert (there : lo s <= i < hi s) by (unfold i; nia).
destruct (same k i range there) as [[here beyond] equal].
replace ((j + o + k * m) * stride w - before_whole w + u * dilation w) with (place s k i)
  by (unfold place, i; rewrite e2; nia).
rewrite !cell_inside by lia; now rewrite equal.
Qed.

(** *** Constants before a value, after it, and between its cells *)
Definition spread s p :=
  clipped (State (long_whole p) (long_tile p) (offset s * distance p + front_whole p - front_tile p)
                 (step s * distance p) ((lo s - 1) * distance p + 1 + front_tile p) (hi s * distance p + front_tile p)).

Theorem spread_agrees s p c (v : Z -> A) (t : Z -> Z -> A) :
  0 < distance p -> agrees s v t ->
  agrees (spread s p) (spread_out c (whole s) (distance p) (front_whole p) v)
                      (fun k => spread_out c (tile s) (distance p) (front_tile p) (t k)).
Proof.
intros pe same; apply clipped_agrees; cbn; unfold place; cbn.
intros k j range [least most] _ _; unfold spread_out; f_equal.
set (e := distance p) in *; set (i := j - front_tile p).
replace (j + (offset s * e + front_whole p - front_tile p) + k * (step s * e) - front_whole p)
  with (i + (offset s + k * step s) * e) by (unfold i; lia).
rewrite Z.mod_add, Z.div_add by lia.
destruct (i mod e =? 0) eqn:on; [|reflexivity].
apply Z.eqb_eq in on; pose proof (Z.div_mod i e); set (q := i / e) in *.
assert (there : lo s <= q < hi s) by (unfold i in *; nia).
destruct (same k q range there) as [[here beyond] equal]; unfold place in *.
replace (q + (offset s + k * step s)) with (q + offset s + k * step s) by lia.
rewrite !cell_inside by lia; now rewrite equal.
Qed.

(** *** Two operands at each position *)
Theorem both_agree B C (g : A -> B -> C) s hi' lo' v t v' t' :
  agrees s v t -> agrees (State (whole s) (tile s) (offset s) (step s) lo' hi') v' t' ->
  agrees (State (whole s) (tile s) (offset s) (step s) (Z.max (lo s) lo') (Z.min (hi s) hi'))
         (fun j => g (v j) (v' j)) (fun k j => g (t k j) (t' k j)).
Proof.
intros one other k j range inside; cbn in *; unfold place in *; cbn in *.
destruct (one k j range) as [fits e]; [lia|]; destruct (other k j range) as [_ e']; [cbn; lia|].
unfold place in *; cbn in *; split; [exact fits|]; now rewrite e, e'.
Qed.

(** ** A composition of layers *)
Inductive layer :=
  | Sliding (w : window) (f : (Z -> option A) -> A)
  | Spreading (p : spacing) (c : option A -> A).
Definition local l := match l with Sliding w f => reads w f | Spreading _ _ => True end.

Definition of_whole s l v := match l with
  | Sliding w f => slide f (whole s) w (before_whole w) v
  | Spreading p c => spread_out c (whole s) (distance p) (front_whole p) v end.
Definition of_tile s l v := match l with
  | Sliding w f => slide f (tile s) w (before_tile w) v
  | Spreading p c => spread_out c (tile s) (distance p) (front_tile p) v end.
Definition after s l := match l with
  | Sliding w _ => if suits s w then Some (slid s w) else None
  | Spreading p _ => if 0 <? distance p then Some (spread s p) else None end.

(** The state of the result, and the results of both executions; None if a layer does not suit. *)
Fixpoint derive layers s (v : Z -> A) (t : Z -> Z -> A) := match layers with
  | [] => Some (s, v, t)
  | l :: others => match after s l with
    | Some next => derive others next (of_whole s l v) (fun k => of_tile s l (t k))
    | None => None end end.

Theorem derived_agrees layers n l shift x s v t :
  Forall local layers ->
  derive layers (clipped (input n l shift)) x (fun k j => x (k * shift + j)) = Some (s, v, t) -> agrees s v t.
Proof.
generalize (input_agrees x n l shift).
generalize (clipped (input n l shift)), x, (fun k j => x (k * shift + j)).
induction layers as [|a others IH]; intros s0 v0 t0 start locals; cbn.
- now intros [= <- <- <-].
- inversion_clear locals as [|? ? here there]; destruct (after s0 a) as [next|] eqn:e; [|discriminate].
  apply IH; [|exact there]; destruct a as [w f|p c]; cbn in *.
  + destruct (suits s0 w) eqn:ok; [|discriminate]; injection e as <-; now apply window_agrees.
  + destruct (0 <? distance p) eqn:ok; [|discriminate]; injection e as <-.
    apply spread_agrees; [now apply Z.ltb_lt|exact start].
Qed.
End Tiles.

(** ** The first tile: padding at the start is the whole's *)
Theorem first_tile_keeps_its_start A B w (f : (Z -> option A) -> B) n l hi (v t : Z -> A) :
  0 < stride w -> 0 < dilation w -> 0 < taps w -> reads w f -> before_tile w = before_whole w ->
  hi <= l -> hi <= n -> (forall j, 0 <= j < hi -> t j = v j) ->
  forall j, j < (hi - 1 + before_tile w - dilation w * (taps w - 1)) / stride w + 1 ->
  slide f l w (before_tile w) t j = slide f n w (before_whole w) v j.
Proof.
intros ps pd pt only e small short same j before; unfold slide; apply only; intros u tap; rewrite e in *.
set (i := j * stride w - before_whole w + u * dilation w).
assert (i < hi).
{ pose proof (Z.mul_div_le (hi - 1 + before_whole w - dilation w * (taps w - 1)) (stride w)); unfold i; nia. }
unfold cell; destruct (0 <=? i) eqn:from; [|reflexivity]; cbn.
replace (i <? l) with true by lia; replace (i <? n) with true by lia; now rewrite same by lia.
Qed.

(** ** What is false *)
Definition first_tap (a : Z -> option Z) := a 0.
Definition sum_of_two (a : Z -> option Z) := (a 0, a 1).

(** A tile that begins at cell 1 before a stride of 2 has other outputs, whatever their place. *)
Theorem any_offset_is_false :
  ~ exists d, forall x j, 0 <= j < 2 ->
    slide first_tap 4 (Window 1 2 1 0 0 4 2) 0 (fun i => x (i + 1)) j
    = slide first_tap 8 (Window 1 2 1 0 0 4 2) 0 x (j + d).
Proof.
intros [d claim]; specialize (claim (fun i => i) 0 ltac:(lia)); unfold slide, first_tap, cell in claim; cbn in claim.
destruct ((0 <=? _) && (_ <? 8))%bool in claim; [injection claim|discriminate claim]; lia.
Qed.

(** A window of two taps over a tile of 4 cells agrees on 3; at the fourth it reads beyond the tile. *)
Theorem one_cell_more_is_false :
  ~ forall x j, 0 <= j < 3 + 1 ->
    slide sum_of_two 4 (Window 2 1 1 0 0 8 4) 0 (fun i => x (i + 2)) j
    = slide sum_of_two 8 (Window 2 1 1 0 0 8 4) 0 x (j + 2).
Proof. intros claim; specialize (claim (fun i => i) 3 ltac:(lia)); discriminate claim. Qed.
