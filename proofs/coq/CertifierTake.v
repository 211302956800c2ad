(** Reading at indices that are known: they must advance evenly (rules/indexing.py, _indexed and _steps). *)
From Coq Require Import ZArith List Lia Bool.
Require Import CertifierDomain CertifierAxis CertifierSums CertifierView.
Import ListNotations.
Open Scope Z_scope.

Definition index (ats : list Z) (i : Z) : Z := nth (Z.to_nat i) ats 0.

(** How indices advance: index i + apart is index i moved by `by` cells, for i in [from, upto). *)
Record advance := Advance { apart : Z; by_ : Z; from : Z; upto : Z }.
Definition expected (ats : list Z) (v : advance) (n : Z) : Z :=
  index ats (from v + (n - from v) mod apart v) + by_ v * ((n - from v) / apart v).

Definition even (f : factor) (ats : list Z) (v : advance) (i : Z) : bool :=
  if (from v <=? i) && (i <? upto v) then
    (lower f <=? index ats i) && (index ats i <? upper f) && divides (per f) (index ats i - expected ats v i)
  else true.

Definition taken (f : factor) (ats : list Z) (v : advance) : option factor :=
  let count := Z.of_nat (length ats) in
  if (0 <? apart v) && negb (by_ v =? 0) && divides (by_ v) (step f) && divides (by_ v) (per f) &&
     forallb (even f ats v) (range count)
  then Some (Factor count (step f / by_ v * apart v) (per f / Z.abs (by_ v) * apart v) (from v) (upto v) 0)
  else None.

Theorem take_local {R} f ats v g : taken f ats v = Some g -> local [f] [g] (fun i (w : Z -> R) => w (index ats i)).
Proof.
unfold taken. destruct (_ && _ && _ && _ && _) eqn:H; [|discriminate]. intro E; injection E as <-.
rewrite !andb_true_iff, negb_true_iff, Z.ltb_lt, Z.eqb_neq in H. destruct H as [[[[A B] S] P] Ev].
apply divides_ok in S; auto. apply divides_ok in P; auto.
assert (Pa : per f = Z.abs (by_ v) * (per f / Z.abs (by_ v))).
{ apply divides_ok; [lia|]. unfold divides in *. apply Z.eqb_eq. apply Z.mod_divide; [lia|].
  apply Z.divide_abs_l. exists (per f / by_ v). lia. }
set (s := step f / by_ v) in *. set (p := per f / Z.abs (by_ v)) in *.
exists (fun u ns => match ns with n :: r => u (org f + expected ats v n :: r) | [] => u [] end). repeat split.
- intros u w E [|n r]; auto.
- intros u I [|n r] [|m r']; simpl; try discriminate; auto. intros [[q Q] ->]. apply I; simpl; split; auto.
  unfold expected. replace (n - from v) with (m - from v + (q * p) * apart v) by lia.
  rewrite Z.mod_add, Z.div_add by lia. exists (Z.sgn (by_ v) * q).
  rewrite Pa. replace (Z.sgn (by_ v) * q * (Z.abs (by_ v) * p)) with (Z.abs (by_ v) * Z.sgn (by_ v) * q * p) by ring.
  rewrite Z.abs_sgn. ring.
- intros k w u I W es E. destruct (one_digit _ _ E) as (e & -> & Be & Re). rewrite Re. cbn [names].
  unfold inb in Be; cbn [len lo hi] in Be.
  rewrite forallb_forall in Ev. specialize (Ev e (proj2 (range_in (Z.of_nat (length ats)) e) ltac:(lia))).
  unfold even in Ev. replace ((from v <=? e) && (e <? upto v)) with true in Ev by (symmetry; apply andb_true_iff; lia).
  rewrite !andb_true_iff, Z.leb_le, Z.ltb_lt in Ev. destruct Ev as [[L U] D]. apply divides_divide in D.
  specialize (W [index ats e]). simpl in W. rewrite Z.mul_1_r, Z.add_0_r in W.
  rewrite W by (constructor; [unfold inb, lower, upper in *; lia|constructor]).
  apply I; simpl; split; auto. unfold name; cbn [org step].
  unfold expected. replace (0 + e - k * (s * apart v) - from v) with (e - from v + (- (k * s)) * apart v) by ring.
  rewrite Z.mod_add, Z.div_add by lia. destruct D as [q Q]. unfold expected in Q. exists q. rewrite S. lia.
Qed.

(** A guess of the longest stretch in which index i + apart is index i moved by `by`; whether it is one is checked. *)
Definition stretch (f : factor) (ats : list Z) (apart by_ : Z) : Z * Z :=
  let clear q := (lower f <=? q) && (q <? upper f) in
  let visit (s : Z * list Z * Z * (Z * Z)) q :=
    let '(i, before, start, (a, b)) := s in  (* before: the last `apart` indices, the last one first *)
    let start := if clear q then
        match nth_error before (Z.to_nat (apart - 1)) with
        | Some r => if (start <=? i - apart) && negb (divides (per f) (q - (r + by_))) then i - apart + 1 else start
        | None => start end
      else i + 1 in
    let best := if b - a <? i + 1 - start then (start, i + 1) else (a, b) in
    (i + 1, q :: firstn (Z.to_nat (apart - 1)) before, start, best) in
  snd (fold_left visit ats (0, [], 0, (0, 0))).

Definition take (f : factor) (ats : list Z) (apart by_ : Z) : option factor :=
  let '(a, b) := stretch f ats apart by_ in taken f ats (Advance apart by_ a b).

Lemma take_sound {R} f ats apart by_ g : take f ats apart by_ = Some g ->
  local [f] [g] (fun i (w : Z -> R) => w (index ats i)).
Proof. unfold take. destruct (stretch f ats apart by_). apply take_local. Qed.
