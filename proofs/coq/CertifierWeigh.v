(** Sums of cells at known places with known weights (rules/indexing.py, _indexed; rules/contraction.py, _banded): reads
    at indices, and products with matrices each of whose columns is an earlier one moved on. *)
From Coq Require Import ZArith List Lia Bool.
Require Import CertifierDomain CertifierAxis CertifierSums CertifierView.
Import ListNotations.
Open Scope Z_scope.

(** What each cell of the result is made of: places along the operand's axis, each with the name of its weight. *)
Definition column := list (Z * Z).
Definition nth_column (cs : list column) (i : Z) : column := nth (Z.to_nat i) cs [].

Definition weigh {R} (F : list (Z * R) -> R) (cs : list column) (i : Z) (w : Z -> R) : R :=
  F (map (fun c => (snd c, w (fst c))) (nth_column cs i)).

(** How columns advance: column i + apart is column i moved by `by` cells, for i in [from, upto). *)
Record advance := Advance { apart : Z; by_ : Z; from : Z; upto : Z }.
Definition model (v : advance) (n : Z) : Z := from v + (n - from v) mod apart v.
Definition moved (v : advance) (n : Z) : Z := by_ v * ((n - from v) / apart v).

(** Whether a column is another one moved by d cells, all of which show the signal. *)
Fixpoint follows_on (f : factor) (d : Z) (c b : column) : bool :=
  match c, b with
  | [], [] => true
  | (p, m) :: c, (q, n) :: b =>
      (m =? n) && (lower f <=? p) && (p <? upper f) && divides (per f) (p - (q + d)) && follows_on f d c b
  | _, _ => false
  end.

Definition even (f : factor) (cs : list column) (v : advance) (i : Z) : bool :=
  if (from v <=? i) && (i <? upto v)
  then follows_on f (moved v i) (nth_column cs i) (nth_column cs (model v i)) else true.

Definition weighed (f : factor) (cs : list column) (v : advance) : option factor :=
  let count := Z.of_nat (length cs) in
  if (0 <? apart v) && negb (by_ v =? 0) && divides (by_ v) (step f) && divides (by_ v) (per f) &&
     forallb (even f cs v) (range count)
  then Some (Factor count (step f / by_ v * apart v) (per f / Z.abs (by_ v) * apart v) (from v) (upto v) 0)
  else None.

Theorem weigh_local {R} f cs v g (F : list (Z * R) -> R) : weighed f cs v = Some g -> local [f] [g] (weigh F cs).
Proof.
unfold weighed. destruct (_ && _ && _ && _ && _) eqn:H; [|discriminate]. intro E; injection E as <-.
rewrite !andb_true_iff, negb_true_iff, Z.ltb_lt, Z.eqb_neq in H. destruct H as [[[[A B] S] P] Ev].
apply divides_ok in S; auto. apply divides_ok in P; auto.
assert (Pa : per f = Z.abs (by_ v) * (per f / Z.abs (by_ v))).
{ apply divides_ok; [lia|]. unfold divides in *. apply Z.eqb_eq. apply Z.mod_divide; [lia|].
  apply Z.divide_abs_l. exists (per f / by_ v). lia. }
set (s := step f / by_ v) in *. set (p := per f / Z.abs (by_ v)) in *.
exists (fun u ns => match ns with
  | n :: r => F (map (fun c => (snd c, u (org f + (fst c + moved v n) :: r))) (nth_column cs (model v n)))
  | [] => u [] end).
repeat split.
- intros u w E [|n r]; auto. f_equal. apply map_ext; intro; rewrite E; auto.
- intros u I [|n r] [|m r']; simpl; try discriminate; auto. intros [[q Q] ->]. unfold model, moved.
  replace (n - from v) with (m - from v + (q * p) * apart v) by lia.
  rewrite Z.mod_add, Z.div_add by lia. f_equal. apply map_ext. intro c. f_equal.
  apply I; simpl; split; auto. exists (Z.sgn (by_ v) * q).
  rewrite Pa. replace (Z.sgn (by_ v) * q * (Z.abs (by_ v) * p)) with (Z.abs (by_ v) * Z.sgn (by_ v) * q * p) by ring.
  rewrite Z.abs_sgn. ring.
- intros k w u I W es E. destruct (one_digit _ _ E) as (e & -> & Be & Re). rewrite Re. cbn [names].
  unfold inb in Be; cbn [len lo hi] in Be. rewrite forallb_forall in Ev.
  specialize (Ev e (proj2 (range_in (Z.of_nat (length cs)) e) ltac:(lia))).
  unfold even in Ev. replace ((from v <=? e) && (e <? upto v)) with true in Ev by (symmetry; apply andb_true_iff; lia).
  unfold weigh, name; cbn [org step]. f_equal.
  assert (M : model v (0 + e - k * (s * apart v)) = model v e /\
              moved v (0 + e - k * (s * apart v)) = moved v e - k * step f).
  { unfold model, moved. replace (0 + e - k * (s * apart v) - from v) with (e - from v + (- (k * s)) * apart v) by ring.
    rewrite Z.mod_add, Z.div_add by lia. split; auto. rewrite S. ring. }
  destruct M as [-> ->]. revert Ev. generalize (nth_column cs (model v e)) as b. generalize (nth_column cs e) as c.
  induction c as [|[q m] c IH]; intros [|[q' m'] b]; simpl; try discriminate; auto. intro Ev.
  rewrite !andb_true_iff, Z.eqb_eq, Z.leb_le, Z.ltb_lt in Ev. destruct Ev as [[[[-> L] U] D] Ev].
  f_equal; [|apply IH; auto]. f_equal. apply divides_divide in D.
  specialize (W [q]). simpl in W. rewrite Z.mul_1_r, Z.add_0_r in W.
  rewrite W by (constructor; [unfold inb, lower, upper in *; lia|constructor]).
  apply I; simpl; split; auto. destruct D as [t T]. exists t. unfold name. lia.
Qed.

(** A guess of the longest stretch of columns that advance; whether it is one is checked. *)
Definition stretch (f : factor) (cs : list column) (apart by_ : Z) : Z * Z :=
  let visit (s : Z * list column * Z * (Z * Z)) c :=
    let '(i, before, start, (a, b)) := s in  (* before: the last `apart` columns, the last one first *)
    let start := if forallb (fun q => (lower f <=? fst q) && (fst q <? upper f)) c then
        match nth_error before (Z.to_nat (apart - 1)) with
        | Some r => if (start <=? i - apart) && negb (follows_on f by_ c r) then i - apart + 1 else start
        | None => start end
      else i + 1 in
    let best := if b - a <? i + 1 - start then (start, i + 1) else (a, b) in
    (i + 1, c :: firstn (Z.to_nat (apart - 1)) before, start, best) in
  snd (fold_left visit cs (0, [], 0, (0, 0))).

Definition advances (f : factor) (cs : list column) (apart by_ : Z) : option factor :=
  let '(a, b) := stretch f cs apart by_ in weighed f cs (Advance apart by_ a b).

Lemma advances_local {R} f cs apart by_ g (F : list (Z * R) -> R) : advances f cs apart by_ = Some g ->
  local [f] [g] (weigh F cs).
Proof. unfold advances. destruct (stretch f cs apart by_). apply weigh_local. Qed.
