(** * The converse: equivariance forces weights to be shared

    In words: a map that commutes with all shifts, linear or not, is one rule applied everywhere
    ([equivariant_iff_one_rule]).  A locally connected layer commutes with shifts exactly when its kernels are the same
    at every position ([equivariant_iff_tied]).  A linear map between signals on a finite abelian group that commutes
    with shifts is a convolution ([linear_equivariant_is_conv]), with exactly one kernel ([conv_kernel_unique]), which
    is zero outside of the cells that the map looks at ([local_iff_kernel_supported]).

    Source: Kondor and Trivedi, On the generalization of equivariance and convolution in neural networks to the action
    of compact groups (2018), of which the finite abelian case is proved here. *)
From mathcomp Require Import all_ssreflect all_algebra.
From WeightSharing Require Import Equivariance Padding.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import GRing.Theory.
Local Open Scope ring_scope.

(** ** Any map of signals on any group *)
Section OneRule.
Variables (G : zmodType) (A B : Type) (f : (G -> A) -> (G -> B)).
Hypothesis f_ext : forall x y, x =1 y -> f x =1 f y.  (* f sees the values of a signal, not how it is written *)
Theorem equivariant_iff_one_rule :
  (forall t x, f (shift t x) =1 shift t (f x))
  <-> (exists F : (G -> A) -> B, (forall x y, x =1 y -> F x = F y) /\
        forall x n, f x n = F (fun k => x (n + k))).
Proof.
split=> [E|[F [Fe e]] t x n].
  exists (fun x => f x 0); split=> [x y e|x n]; first exact: f_ext.
  have -> : f (fun k => x (n + k)) 0 = f (shift (- n) x) 0.
    by apply: f_ext => k; rewrite /shift opprK addrC.
  by rewrite E /shift opprK add0r.
by rewrite /shift !e; apply: Fe => k; rewrite addrAC.
Qed.
End OneRule.

(** ** Locally connected layers: several channels, any window, any stride *)
Section Tied.
Variables (R : ringType) (H G : zmodType) (phi : {additive H -> G}) (K : finType) (off : K -> G) (Ci Co : finType).
Hypothesis off_inj : injective off.  (* no two taps read the same cell, or only the sum of their weights would show *)
Definition local (W : H -> Co -> Ci -> K -> R) (x : G -> Ci -> R) (n : H) (o : Co) : R :=
  \sum_i \sum_k W n o i k * x (phi n + off k) i.

Theorem equivariant_iff_tied W :
  (forall t x n o, local W (shift (phi t) x) n o = shift t (local W x) n o)
  <-> (forall n o i k, W n o i k = W 0 o i k).
Proof.
split=> [E n o i k|E t x n o]; last first.
  apply: eq_bigr => i _; apply: eq_bigr => k _.
  by rewrite E [in RHS]E /shift raddfB addrAC.
pose spot (g : G) (j : Ci) : R := ((j == i) && (g == off k))%:R.
have pick m : \sum_j \sum_l W m o j l * spot (off l) j = W m o i k.
  rewrite -[RHS](one_hot_kernel i k (W m o)); apply: eq_bigr => j _; apply: eq_bigr => l _.
  by rewrite /spot (inj_eq off_inj) mulr_natl mulr_natr.
have := E n spot n o; rewrite /shift /local subrr raddf0.
under eq_bigr => j _ do under eq_bigr => l _ do rewrite addrAC subrr add0r.
by rewrite pick; under eq_bigr => j _ do under eq_bigr => l _ do rewrite add0r; rewrite pick.
Qed.
End Tied.

(** ** Linear maps on a finite group *)
Section Linear.
Variables (R : comRingType) (G : finZmodType) (Ci Co : finType).
Notation signal C := {ffun C * G -> R^o}.
Definition fshift (C : finType) t (x : signal C) : signal C := [ffun p => x (p.1, p.2 - t)].
Definition group_conv (w : Co -> Ci -> G -> R) (x : signal Ci) : signal Co :=
  [ffun p => \sum_i \sum_g w p.1 i g * x (i, p.2 + g)].
Definition delta (C : finType) (p : C * G) : signal C := [ffun q => (q == p)%:R].

Lemma signal_basis (x : signal Ci) : x = \sum_p x p *: delta p.
Proof.
apply/ffunP=> q; rewrite sum_ffunE (bigD1 q) //= !ffunE eqxx [_ *: _]mulr1.
rewrite big1 ?addr0 // => p /negPf ne.
by rewrite !ffunE eq_sym ne scaler0.
Qed.

Lemma fshift_delta t (p : Ci * G) : fshift t (delta p) = delta (p.1, p.2 + t).
Proof. by apply/ffunP=> -[i g]; rewrite !ffunE -!pair_eqE /= subr_eq. Qed.

Theorem linear_equivariant_is_conv (L : {linear signal Ci -> signal Co}) :
  (forall t x, L (fshift t x) = fshift t (L x)) -> exists w, forall x, L x = group_conv w x.
Proof.
move=> E; exists (fun o i g => L (delta (i, g)) (o, 0)) => x.
rewrite {1}[x]signal_basis linear_sum; apply/ffunP=> -[o n].
rewrite ffunE sum_ffunE /= pair_big /= (reindex (fun p => (p.1, n + p.2))) /=; last first.
  exists (fun p : Ci * G => (p.1, p.2 - n)) => -[i g] _ /=; congr (_, _); last by rewrite addrC subrK.
  by rewrite addrC addKr.
apply: eq_bigr => -[i g] _ /=; rewrite linearZ ffunE [_ *: _]mulrC; congr (_ * _).
have -> : delta (i, n + g) = fshift n (delta (i, g)) by rewrite fshift_delta /= addrC.
by rewrite E ffunE /= subrr.
Qed.

Lemma conv_delta w (o : Co) (i : Ci) (g : G) : group_conv w (delta (i, g)) (o, 0) = w o i g.
Proof.
rewrite ffunE /= pair_big /= (bigD1 (i, g)) //= ffunE add0r eqxx mulr1.
by rewrite big1 ?addr0 // => -[j h] /negPf ne; rewrite ffunE add0r /= ne mulr0.
Qed.

Theorem conv_kernel_unique w w' : (forall x, group_conv w x = group_conv w' x) -> forall o i g, w o i g = w' o i g.
Proof. by move=> e o i g; rewrite -conv_delta e conv_delta. Qed.

(** The map looks at the offsets in [S] only: signals that agree on [n + S] have outputs that agree at [n]. *)
Definition looks_at (S : pred G) (f : signal Ci -> signal Co) : Prop :=
  forall (x y : signal Ci) n, (forall i g, g \in S -> x (i, n + g) = y (i, n + g)) -> forall o, f x (o, n) = f y (o, n).

Theorem local_iff_kernel_supported (S : pred G) w :
  looks_at S (group_conv w) <-> (forall o i g, g \notin S -> w o i g = 0).
Proof.
split=> [loc o i g out|zero x y n agree o]; last first.
  rewrite !ffunE; apply: eq_bigr => i _; apply: eq_bigr => g _ /=.
  by case: (boolP (g \in S)) => [/agree->|/zero->] //; rewrite !mul0r.
rewrite -conv_delta (loc _ 0) => [|j h inS].
  by rewrite ffunE big1 // => j _; rewrite big1 // => h _; rewrite ffunE mulr0.
rewrite !ffunE add0r; case: eqP => // -[_ e].
by rewrite e (negPf out) in inS.
Qed.

(** The three together: a local linear equivariant map is a convolution whose kernel lives in the window. *)
Theorem local_linear_equivariant_is_local_conv (S : pred G) (L : {linear signal Ci -> signal Co}) :
  (forall t x, L (fshift t x) = fshift t (L x)) -> looks_at S L ->
  exists w, (forall x, L x = group_conv w x) /\ (forall o i g, g \notin S -> w o i g = 0).
Proof.
move=> /linear_equivariant_is_conv[w e] loc; exists w; split=> //.
by apply/local_iff_kernel_supported => x y n agree o; rewrite -!e; apply: loc.
Qed.
End Linear.
