(** * The summed-delta rule: a shared kernel's gradient is the sum over its overlays

    In words: one kernel is used at many positions.  Its gradient is the *sum* of the gradients that each position
    would ask for, had it a kernel of its own ([shared_gradient_is_sum]), never their mean ([mean_is_wrong]).  The
    input's delta is the transposed convolution ([transposed_conv_adjoint]), the bias's the sum of the deltas
    ([bias_adjoint]).

    Geometry is any map [pos : P -> K -> option X]: which cell of the input tap [k] of output [p] reads, or [None] for
    a zero of the padding.  So every stride, padding, boundary, dilation and number of dimensions is covered at once.
    A batch is one, too: positions are then pairs of an example and a position ([batch_conv], [batch_kernel_delta]).
    Groups of channels are kernels that are zero between groups ([grouped_conv], [grouped_kernel_delta]).

    What automatic differentiation computes for a linear map is its adjoint: the [g] with [<f u, v> = <u, g v>] for all
    [u] and [v].  It is unique.  That the adjoint is the derivative takes no analysis here: a convolution is bilinear,
    so its expansion in the directions [h] and [u] is exact, with the remainder [conv h u] ([conv_expansion]).

    Source: the answer on backpropagation through shared weights in the project's seeds, whose numbers are computed in
    Example.v; Griewank and Walther, Evaluating derivatives (2008), for adjoints. *)
From mathcomp Require Import all_ssreflect all_algebra.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import GRing.Theory.
Local Open Scope ring_scope.

(** ** Adjoints *)
Section Adjoint.
Variable R : comRingType.
Definition dot (I : finType) (u v : I -> R) := \sum_i u i * v i.
Definition adjoint (I J : finType) (f : (I -> R) -> (J -> R)) (g : (J -> R) -> (I -> R)) :=
  forall u v, dot (f u) v = dot u (g v).

Lemma dot_delta (I : finType) (v : I -> R) i : dot (fun j => (j == i)%:R) v = v i.
Proof.
by rewrite /dot (bigD1 i) //= eqxx mul1r big1 ?addr0 // => j /negPf->; rewrite mul0r.
Qed.
Lemma dot_inj (I : finType) (v v' : I -> R) : (forall u, dot u v = dot u v') -> v =1 v'.
Proof. by move=> e i; rewrite -(dot_delta v) e dot_delta. Qed.
Theorem adjoint_unique (I J : finType) (f : (I -> R) -> (J -> R)) g g' :
  adjoint f g -> adjoint f g' -> forall v, g v =1 g' v.
Proof. by move=> a a' v; apply: dot_inj => u; rewrite -a a'. Qed.
Theorem adjoint_compose (I J L : finType) (f1 : (I -> R) -> (J -> R)) g1 (f2 : (J -> R) -> (L -> R)) g2 :
  adjoint f1 g1 -> adjoint f2 g2 -> adjoint (f2 \o f1) (g1 \o g2).
Proof. by move=> a1 a2 u v; rewrite /= a2 a1. Qed.
End Adjoint.

(** ** Tying: one vector, copied to every position; its adjoint is the sum *)
Section Tie.
Variables (R : comRingType) (P I : finType).
Definition tie (w : I -> R) (q : P * I) := w q.2.
Definition sum_copies (v : P * I -> R) (i : I) := \sum_p v (p, i).
Theorem tie_adjoint : adjoint tie sum_copies.
Proof.
move=> u v; rewrite /dot; under [RHS]eq_bigr => i _ do rewrite mulr_sumr.
by rewrite exchange_big pair_big; apply: eq_bigr => -[].
Qed.
End Tie.

(** ** Layers over an arbitrary geometry *)
Section Layer.
Variables (R : comRingType) (P K X Ci Co : finType) (pos : P -> K -> option X).
Notation "'Wt'" := (Co * Ci * K)%type.
Implicit Types (w : Wt -> R) (W : P * Wt -> R) (x : Ci * X -> R) (b : Co -> R).

Definition read x i (o : option X) := if o is Some m then x (i, m) else 0.
(** A kernel of its own at every position; and one kernel for all of them. *)
Definition local W x (q : Co * P) := \sum_i \sum_k W (q.2, (q.1, i, k)) * read x i (pos q.2 k).
Definition conv w x (q : Co * P) := \sum_i \sum_k w (q.1, i, k) * read x i (pos q.2 k).
Lemma conv_is_tied_local w x : conv w x = local (tie w) x. Proof. by []. Qed.

Definition overlay_delta x (dz : Co * P -> R) (q : P * Wt) :=
  dz (q.2.1.1, q.1) * read x q.2.1.2 (pos q.1 q.2.2).
Definition kernel_delta x (dz : Co * P -> R) (j : Wt) :=
  \sum_p dz (j.1.1, p) * read x j.1.2 (pos p j.2).
Definition transposed_conv w (dz : Co * P -> R) (q : Ci * X) :=
  \sum_o \sum_p \sum_(k | pos p k == Some q.2) w (o, q.1, k) * dz (o, p).

Theorem local_kernel_adjoint x : adjoint (local^~ x) (overlay_delta x).
Proof.
move=> W dz; rewrite /dot /local /overlay_delta.
under eq_bigr => q _ do rewrite pair_big /= mulr_suml.
rewrite pair_big /=.
rewrite (reindex (fun q : P * Wt => ((q.2.1.1, q.1), (q.2.1.2, q.2.2)))) /=; last first.
  by exists (fun q => (q.1.2, (q.1.1, q.2.1, q.2.2))) => [[p [[o i] k]]|[[o p] [i k]]] _.
by apply: eq_bigr => -[p [[o i] k]] _ /=; rewrite -mulrA [_ * read _ _ _]mulrC [read _ _ _ * _]mulrC.
Qed.

(** Sharing is tying, then the unshared layer; so its adjoint is the unshared layer's, then the sum. *)
Theorem summed_delta_adjoint x : adjoint (conv^~ x) (kernel_delta x).
Proof. exact: (adjoint_compose (@tie_adjoint R P _) (local_kernel_adjoint x)). Qed.

Theorem shared_gradient_is_sum x dz g :
  adjoint (conv^~ x) g -> forall j, g dz j = \sum_p overlay_delta x dz (p, j).
Proof. by move=> a j; rewrite (adjoint_unique a (summed_delta_adjoint x)). Qed.

(** The input's delta: every output's delta lays down the kernel on the cells that its window read. *)
Theorem transposed_conv_adjoint w : adjoint (conv w) (transposed_conv w).
Proof.
move=> x dz; rewrite /dot /conv /transposed_conv.
transitivity (\sum_(q : Co * P) \sum_i \sum_k \sum_m
    (if pos q.2 k == Some m then x (i, m) * (w (q.1, i, k) * dz q) else 0)).
  apply: eq_bigr => q _; rewrite mulr_suml; apply: eq_bigr => i _.
  rewrite mulr_suml; apply: eq_bigr => k _; rewrite -big_mkcond /=.
  case e: (pos q.2 k) => [m|] /=; last by rewrite mulr0 mul0r big_pred0.
  by rewrite (big_pred1 m) => [|m']; rewrite ?[_ * x _]mulrC ?mulrA //= eq_sym.
transitivity (\sum_i \sum_m \sum_o \sum_p \sum_k
    (if pos p k == Some m then x (i, m) * (w (o, i, k) * dz (o, p)) else 0)).
  rewrite [LHS]exchange_big /=; apply: eq_bigr => i _; rewrite [RHS]exchange_big /=.
  rewrite [RHS](eq_bigr (fun o => \sum_p \sum_m \sum_k
    (if pos p k == Some m then x (i, m) * (w (o, i, k) * dz (o, p)) else 0))) => [|o _]; last exact: exchange_big.
  by rewrite [RHS]pair_bigA /=; apply: eq_bigr => -[o p] _ /=; rewrite exchange_big.
rewrite pair_bigA; apply: eq_bigr => -[i m] _ /=.
rewrite mulr_sumr; apply: eq_bigr => o _; rewrite mulr_sumr; apply: eq_bigr => p _.
by rewrite mulr_sumr [RHS]big_mkcond.
Qed.

(** The bias is shared over positions as well. *)
Theorem bias_adjoint :
  adjoint (fun b (q : Co * P) => b q.1) (fun dz o => \sum_p dz (o, p)).
Proof.
move=> b dz; rewrite /dot; under [RHS]eq_bigr => o _ do rewrite mulr_sumr.
by rewrite pair_big /=; apply: eq_bigr => -[].
Qed.

(** In the directions [h] and [u]: value, first-order term, and a remainder of second order; nothing is left out. *)
Theorem conv_expansion w h x u q :
  conv (fun j => w j + h j) (fun m => x m + u m) q
  = conv w x q + (conv h x q + conv w u q) + conv h u q.
Proof.
rewrite /conv -!big_split; apply: eq_bigr => i _; rewrite -!big_split; apply: eq_bigr => k _.
rewrite /read /=; case: (pos _ _) => [m|]; last by rewrite !mulr0 !addr0.
by rewrite mulrDl !mulrDr !addrA; congr (_ + _); rewrite -!addrA; congr (_ + _); rewrite addrC.
Qed.
End Layer.

(** ** A batch is a geometry

    Positions are pairs [(n, p)] of an example and a position, cells are pairs of an example and a cell, and a window
    stays within its example.  So the sum over overlays is one over the examples as well. *)
Section Batch.
Variables (R : comRingType) (N P K X Ci Co : finType) (pos : P -> K -> option X).
Definition batch_pos (q : N * P) (k : K) : option (N * X) := omap (pair q.1) (pos q.2 k).
Definition example (I J : Type) (x : I * (N * J) -> R) (n : N) (q : I * J) : R := x (q.1, (n, q.2)).

Lemma read_example (x : Ci * (N * X) -> R) i n p k :
  read x i (batch_pos (n, p) k) = read (example x n) i (pos p k).
Proof. by rewrite /batch_pos /=; case: (pos p k). Qed.

Theorem batch_conv w (x : Ci * (N * X) -> R) (o : Co) n p :
  conv batch_pos w x (o, (n, p)) = conv pos w (example x n) (o, p).
Proof. by apply: eq_bigr => i _; apply: eq_bigr => k _; rewrite read_example. Qed.

Theorem batch_kernel_delta (x : Ci * (N * X) -> R) (dz : Co * (N * P) -> R) j :
  kernel_delta batch_pos x dz j = \sum_n kernel_delta pos (example x n) (example dz n) j.
Proof.
rewrite /kernel_delta pair_bigA; apply: eq_bigr => -[n p] _ /=.
by rewrite read_example.
Qed.
End Batch.

(** ** Groups of channels

    A grouped convolution is the convolution by a kernel that is zero between groups; that is, one convolution for each
    group, of its own channels; and so are its gradients. *)
Section Groups.
Variables (R : comRingType) (Gr P K X Ci Co : finType) (pos : P -> K -> option X).
Notation Within := (Gr * (Co * Ci * K))%type.             (* a weight, within its group *)
Notation Between := ((Gr * Co) * (Gr * Ci) * K)%type.     (* a weight between any two channels *)
Definition block (w : Within -> R) (j : Between) : R :=
  if j.1.1.1 == j.1.2.1 then w (j.1.1.1, (j.1.1.2, j.1.2.2, j.2)) else 0.
Definition diagonal (v : Between -> R) (q : Within) : R := v ((q.1, q.2.1.1), (q.1, q.2.1.2), q.2.2).
Definition of_group (C I : Type) (x : (Gr * C) * I -> R) (g : Gr) (q : C * I) : R := x ((g, q.1), q.2).

Theorem grouped_conv w (x : (Gr * Ci) * X -> R) g (o : Co) p :
  conv pos (block w) x ((g, o), p) = conv pos (fun j => w (g, j)) (of_group x g) (o, p).
Proof.
transitivity (\sum_g' \sum_i \sum_k block w ((g, o), (g', i), k) * read x (g', i) (pos p k)).
  by rewrite pair_bigA; apply: eq_bigr => -[].
rewrite (bigD1 g) //= [X in _ + X]big1 ?addr0 => [|g' /negPf ne]; last first.
  by apply: big1 => i _; apply: big1 => k _; rewrite /block /= eq_sym ne mul0r.
by apply: eq_bigr => i _; apply: eq_bigr => k _; rewrite /block /= eqxx.
Qed.

Lemma block_adjoint : adjoint block diagonal.
Proof.
move=> w v; rewrite /dot.
transitivity (\sum_(j : Between | j.1.1.1 == j.1.2.1) w (j.1.1.1, (j.1.1.2, j.1.2.2, j.2)) * v j).
  by rewrite [RHS]big_mkcond; apply: eq_bigr => j _; rewrite /block; case: ifP => // _; rewrite mul0r.
rewrite (reindex (fun q : Within => ((q.1, q.2.1.1), (q.1, q.2.1.2), q.2.2))) /=; last first.
  by exists (fun j => (j.1.1.1, (j.1.1.2, j.1.2.2, j.2))) => [[g [[o i] k]] _|[[[g o] [g' i]] k] /eqP /= ->].
by apply: eq_big => [q|[g [[o i] k]] _]; rewrite ?eqxx.
Qed.

Theorem grouped_kernel_delta (x : (Gr * Ci) * X -> R) :
  adjoint (fun w => conv pos (block w) x)
          (fun dz q => kernel_delta pos (of_group x q.1) (of_group dz q.1) q.2).
Proof. exact: (adjoint_compose block_adjoint (summed_delta_adjoint pos x)). Qed.
End Groups.

(** ** The mean in place of the sum

    Were the mean over the overlays the gradient, over two or more positions, then every gradient would be zero. *)
Section Mean.
Import Num.Theory.
Variables (R : numFieldType) (P K X Ci Co : finType) (pos : P -> K -> option X).
Definition mean_delta (x : Ci * X -> R) (dz : Co * P -> R) j := (\sum_p overlay_delta pos x dz (p, j)) / #|P|%:R.

Theorem mean_is_wrong x : (1 < #|P|)%N ->
  adjoint (fun w => conv pos w x) (mean_delta x) -> forall (dz : Co * P -> R) j, kernel_delta pos x dz j = 0.
Proof.
move=> two mean dz j; have e := shared_gradient_is_sum dz mean j.
rewrite -[kernel_delta _ _ _ _]/(\sum_p overlay_delta pos x dz (p, j)).
move: e; rewrite /mean_delta; set S := \sum_p _ => /eqP.
have some : #|P|%:R != 0 :> R by rewrite pnatr_eq0 -lt0n ltnW.
rewrite -subr_eq0 -[X in _ - X]mulr1 -mulrBr mulf_eq0 => /orP[/eqP //|].
rewrite subr_eq0 invr_eq1 pnatr_eq1 => /eqP one.
by rewrite one ltnn in two.
Qed.
End Mean.

(** ** On a circle, or any finite group *)
Section Cyclic.
Variables (R : comRingType) (G : finZmodType) (K Ci Co : finType) (off : K -> G).
Let pos (p : G) k := Some (p + off k).
Definition cshift C t (x : C * G -> R) (q : C * G) := x (q.1, q.2 - t).
Theorem gradient_invariant t (x : Ci * G -> R) (dz : Co * G -> R) :
  kernel_delta pos (cshift t x) (cshift t dz) =1 kernel_delta pos x dz.
Proof.
move=> j; rewrite /kernel_delta /= (reindex_inj (addIr t)) /=.
by apply: eq_bigr => p _; rewrite /cshift /= addrK addrAC addrK.
Qed.
Theorem transposed_conv_cyclic w (dz : Co * G -> R) (i : Ci) m :
  transposed_conv pos w dz (i, m) = \sum_o \sum_k w (o, i, k) * dz (o, m - off k).
Proof.
apply: eq_bigr => o _; under eq_bigr => p _ do rewrite big_mkcond.
rewrite exchange_big; apply: eq_bigr => k _; rewrite -big_mkcond /=.
by rewrite (big_pred1 (m - off k)) // => p; rewrite /= (inj_eq Some_inj) [RHS]eq_sym subr_eq eq_sym.
Qed.
End Cyclic.

