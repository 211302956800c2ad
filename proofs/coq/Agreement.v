(** * The executable reference computes what the theorems speak of

    In words: each cell that Reference.v computes is the cell of Gradient.v's layer, or of one of its deltas, over any
    commutative ring ([y_correct], [dw_correct], [dx_correct], [db_correct]); the lists are put together row-major
    ([y_assembled] and its like); and the table, in any number of dimensions and with any boundaries, has along each
    axis the reads of Geometry.v ([overlays_read]), every one of them a cell of the input ([overlays_in_range]). *)
From Coq Require Import ZArith.
From mathcomp Require Import all_ssreflect all_algebra.
From WeightSharing Require Import Integers Gradient Reference.
From WeightSharing Require Geometry.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.

(** ** Lists of rows of equal length *)
Lemma nth_flatten_rows T (d : T) n (rows : seq (seq T)) i j :
  all (fun r => size r == n) rows -> j < n -> nth d (flatten rows) (i * n + j) = nth d (nth [::] rows i) j.
Proof.
move=> + lt; elim: rows i => [|r rows IH] i /=; first by rewrite !nth_nil.
case/andP=> /eqP size_r sizes; rewrite nth_cat size_r; case: i => [|i] /=; first by rewrite add0n lt.
by rewrite mulSn -addnA ltnNge leq_addr /= addKn IH.
Qed.

Lemma size_flatten_rows T n (rows : seq (seq T)) :
  all (fun r => size r == n) rows -> size (flatten rows) = size rows * n.
Proof. by elim: rows => //= r rows IH /andP[/eqP e sizes]; rewrite size_cat e IH // mulSn. Qed.

Lemma nth_rows T (d : T) m n f i j : i < m -> j < n -> nth d (rows m n f) (i * n + j) = f i j.
Proof.
move=> lt_i lt_j; rewrite nth_flatten_rows //; last by rewrite all_map; apply/allP=> k _ /=; rewrite size_map size_iota.
rewrite (nth_map 0) ?size_iota // nth_iota // add0n.
by rewrite (nth_map 0) ?size_iota // nth_iota // add0n.
Qed.

(** Row-major indices: of [i :: is] in an array [n :: ns], [i * (product of ns) + (index of is in ns)]. *)
Fixpoint ravel (ns : seq nat) (is_ : seq nat) : nat :=
  if (ns, is_) is (_ :: ns', i :: is') then i * product ns' + ravel ns' is' else 0.

Fixpoint indexes (ns is_ : seq nat) : bool :=
  match ns, is_ with
  | [::], [::] => true
  | n :: ns', i :: is' => (i < n) && indexes ns' is'
  | _, _ => false
  end.

Lemma ravel_lt ns is_ : indexes ns is_ -> ravel ns is_ < product ns.
Proof.
elim: ns is_ => [|n ns IH] [|i is_] //=.
case/andP=> lt /IH lt'.
by apply: leq_trans (_ : i.+1 * product ns <= _); rewrite ?leq_mul2r ?lt ?orbT // mulSnr ltn_add2l.
Qed.

(** ** The table in several dimensions *)
Section Overlays.
Implicit Types (l : seq Geometry.axis) (js us : seq nat).

(** The cells, one along each axis, that the tap [us] of the output [js] reads; None if one of them is a zero. *)
Fixpoint coordinates l js us : option (seq nat) :=
  if (l, js, us) is (a :: l', j :: js', u :: us') then
    if (read1 a j u, coordinates l' js' us') is (Some c, Some cs) then Some (c :: cs) else None
  else Some [::].

Definition rectangular m n (t : seq (seq (option nat))) := (size t == m) && all (fun r => size r == n) t.

Lemma rectangular1 a : rectangular (n_out a) (n_taps a) (table1 a).
Proof.
rewrite /rectangular size_map size_iota eqxx /=.
by apply/allP=> r /mapP[j _ ->]; rewrite size_map size_iota.
Qed.

Lemma rectangular_times n2 m m' k k' t t' :
  rectangular m k t -> rectangular m' k' t' -> rectangular (m * m') (k * k') (times n2 t t').
Proof.
case/andP=> /eqP size_t rows_t /andP[/eqP size_t' rows_t']; apply/andP; split.
  by rewrite size_allpairs size_t size_t'.
apply/allP=> r /allpairsP[[r1 r2] /= [in1 in2 ->]].
by rewrite size_allpairs (eqP (allP rows_t _ in1)) (eqP (allP rows_t' _ in2)).
Qed.

Lemma rectangular_overlays l :
  rectangular (product [seq n_out a | a <- l]) (product [seq n_taps a | a <- l]) (overlays l).
Proof.
elim: l => [|a l IH] //.
by apply: rectangular_times IH; apply: rectangular1.
Qed.

Lemma nth_allpairs S T U (f : S -> T -> U) s t x y z i j : i < size s -> j < size t ->
  nth z [seq f a b | a <- s, b <- t] (i * size t + j) = f (nth x s i) (nth y t j).
Proof.
move=> lt_i lt_j; rewrite nth_flatten_rows //; last first.
  by rewrite all_map; elim: s {lt_i} => //= a s ->; rewrite size_map eqxx.
by rewrite (nth_map x) // (nth_map y).
Qed.

Theorem overlays_read l js us :
  indexes [seq n_out a | a <- l] js -> indexes [seq n_taps a | a <- l] us ->
  reads (overlays l) (ravel [seq n_out a | a <- l] js) (ravel [seq n_taps a | a <- l] us)
  = omap (ravel [seq n_cells a | a <- l]) (coordinates l js us).
Proof.
elim: l js us => [|a l IH] [|j js] [|u us] //= /andP[lt_j in_j] /andP[lt_u in_u].
have /andP[/eqP size_t /allP rows_t] := rectangular_overlays l.
have /andP[/eqP size_1 /allP rows_1] := rectangular1 a.
have lt_js := ravel_lt in_j; have lt_us := ravel_lt in_u.
rewrite /reads /times -{1}size_t (nth_allpairs _ [::] [::]) ?size_1 ?size_t //.
set r1 := nth _ (table1 a) j; set r2 := nth _ (overlays l) _.
have size_r1 : size r1 = n_taps a by apply/eqP/rows_1/mem_nth; rewrite size_1.
have size_r2 : size r2 = product [seq n_taps b | b <- l] by apply/eqP/rows_t/mem_nth; rewrite size_t.
rewrite -size_r2 (nth_allpairs _ None None) ?size_r1 ?size_r2 //.
have -> : nth None r1 u = read1 a j u.
  by rewrite /r1 (nth_map 0) ?size_iota // nth_iota // add0n (nth_map 0) ?size_iota // nth_iota.
have := IH js us in_j in_u; rewrite /reads -/r2 => ->.
by case: read1 => [c|] //=; case: coordinates.
Qed.

(** ** No tap reads beyond the input *)
Definition bounded n := all (all (fun o => if o is Some m then m < n else true)).

Lemma boundedP n t p k m : bounded n t -> reads t p k = Some m -> m < n.
Proof.
move=> b; rewrite /reads; case: (ltnP p (size t)) => [lt_p|ge_p]; last by rewrite (nth_default [::] ge_p) nth_nil.
have {}b := all_nthP [::] b p lt_p; case: (ltnP k (size (nth [::] t p))) => [lt_k|ge_k].
  by have := all_nthP None b k lt_k; case: (nth None _ k) => // j lt [<-].
by rewrite nth_default.
Qed.

Lemma bounded1 a : (0 < Geometry.length a)%Z -> bounded (n_cells a) (table1 a).
Proof.
move=> pos; apply/allP=> r /mapP[j _ ->]; apply/allP=> o /mapP[u _ ->].
rewrite /read1 /Geometry.read; case e: Geometry.cell => [m|] //=.
have [ge lt] := Geometry.cells_are_in_range a _ pos e.
by apply/ltP; apply/Z2Nat.inj_lt => //; apply: Z.le_trans ge (Z.lt_le_incl _ _ lt).
Qed.

Theorem overlays_in_range l p k m :
  all (fun a => Z.ltb 0 (Geometry.length a)) l ->
  reads (overlays l) p k = Some m -> m < product [seq n_cells a | a <- l].
Proof.
move=> pos; apply: boundedP; elim: l pos => [_|a l IH] //=.
case/andP=> /Z.ltb_lt pos_a /IH b.
apply/allP=> r /allpairsP[[r1 r2] /= [in1 in2 ->]]; apply/allP=> o /allpairsP[[o1 o2] /= [in1' in2' ->]].
have := allP (allP (bounded1 pos_a) _ in1) _ in1'; have := allP (allP b _ in2) _ in2'.
case: o1 {in1'} => [i|] //; case: o2 {in2'} => [j|] //= lt_j lt_i.
apply: leq_trans (_ : i.+1 * product [seq n_cells c | c <- l] <= _); first by rewrite mulSnr ltn_add2l.
by rewrite leq_mul2r lt_i orbT.
Qed.
End Overlays.

(** ** Cell by cell, and list by list *)
Section Correct.
Import GRing.Theory.
Local Open Scope ring_scope.
Variables (R : comRingType) (table : seq (seq (option nat))) (cells taps ci co : nat).
Hypothesis in_range : forall p k m, reads table p k = Some m -> (m < cells)%N.
Notation P := 'I_(size table). Notation K := 'I_taps. Notation X := 'I_cells.
Notation Ci := 'I_ci. Notation Co := 'I_co.
Definition pos (p : P) (k : K) : option X := obind insub (reads table p k).
(** Lists as functions of indices. *)
Definition x_of (x : seq R) (q : Ci * X) := x`_(q.1 * cells + q.2).
Definition w_of (w : seq R) (q : Co * Ci * K) := w`_((q.1.1 * ci + q.1.2) * taps + q.2).
Definition y_of (y : seq R) (q : Co * P) := y`_(q.1 * size table + q.2).
Notation sum := (@sum R 0 +%R).
Notation y_ref := (@y_ref R 0 +%R *%R table cells taps ci co).
Notation dw_ref := (@dw_ref R 0 +%R *%R table cells taps ci co).
Notation dx_ref := (@dx_ref R 0 +%R *%R table cells taps ci co).
Notation db_ref := (@db_ref R 0 +%R table co).

Lemma sumE n (f : nat -> R) : sum n f = \sum_(k < n) f k.
Proof. by rewrite -(big_mkord xpredT) /index_iota subn0 unlock. Qed.

Lemma readE x (i : Ci) (p : P) (k : K) : at_x 0 cells x i (reads table p k) = read (x_of x) i (pos p k).
Proof.
rewrite /pos; case e: (reads _ _ _) => [m|] //=.
by rewrite (insubT (fun m => (m < cells)%N) (in_range e)).
Qed.
Lemma posE (p : P) (k : K) (m : X) : is_cell m (reads table p k) = (pos p k == Some m).
Proof.
rewrite /pos; case e: (reads _ _ _) => [j|] //=; rewrite (insubT (fun m => (m < cells)%N) (in_range e)) /=.
by apply/idP/eqP=> [/Nat.eqb_eq je|[<-]]; [congr Some; apply: val_inj|apply/Nat.eqb_eq].
Qed.

Theorem y_correct w b x (o : Co) (p : P) :
  y_of (y_ref w b x) (o, p) = b`_o + conv pos (w_of w) (x_of x) (o, p).
Proof.
rewrite /y_of nth_rows //; congr (_ + _); rewrite sumE; apply: eq_bigr => i _; rewrite sumE.
by apply: eq_bigr => k _; rewrite readE.
Qed.

Theorem dw_correct x dy (o : Co) (i : Ci) (k : K) :
  w_of (dw_ref x dy) (o, i, k) = kernel_delta pos (x_of x) (y_of dy) (o, i, k).
Proof.
have i_k : (i * taps + k < ci * taps)%N.
  by apply: leq_trans (_ : i.+1 * taps <= _)%N; rewrite ?leq_mul2r ?ltn_ord ?orbT // mulSnr ltn_add2l.
rewrite /w_of /= mulnDl -addnA -mulnA nth_flatten_rows //; last first.
  apply/allP=> r /mapP[o' _ ->]; rewrite (size_flatten_rows (n := taps)) ?size_map ?size_iota //.
  by apply/allP=> s /mapP[j _ ->]; rewrite size_map size_iota.
rewrite (nth_map 0%N) ?size_iota // nth_iota // add0n nth_rows //.
by rewrite /dw_at sumE; apply: eq_bigr => p _; rewrite readE.
Qed.

Theorem dx_correct w dy (i : Ci) (m : X) :
  x_of (dx_ref w dy) (i, m) = transposed_conv pos (w_of w) (y_of dy) (i, m).
Proof.
rewrite /x_of nth_rows // /dx_at sumE; apply: eq_bigr => o _; rewrite sumE; apply: eq_bigr => p _.
by rewrite sumE [RHS]big_mkcond; apply: eq_bigr => k _; rewrite posE.
Qed.

Theorem db_correct dy (o : Co) : (db_ref dy)`_o = \sum_p y_of dy (o, p).
Proof. by rewrite (nth_map 0%N) ?size_iota // nth_iota // /db_at sumE. Qed.
End Correct.
