(** * What padding does to equivariance

    In words: zero padding cuts a window [D] out of an endless scene and puts zeros around it.  An output answers to a
    shift of the scene, for all weights and all scenes, exactly when no tap of its window crosses the border of [D] as
    the window moves ([zero_padding_iff]); in particular wherever the window stands inside of [D] before and after
    ([zero_padding_interior]), which is a range of positions along each axis ([inside_iff], [interior_range]).

    Cyclic padding has no border: the law holds everywhere on a circle ([cyclic_shift]).  With a stride of [s] on a
    circle of [N] cells, and [ceil(N / s)] outputs, it holds exactly when [s] divides [N] ([cyclic_stride_iff]).
    So it does on a torus, along all axes at once ([torus_shift]).  Where it fails, the step from the last window back
    to the first is shorter than [s].

    Mind that the shift here is one of the scene, of which new parts may enter at the border; it is not a roll of the
    zero-padded array. *)
From Coq Require Import ZArith Lia.
From mathcomp Require Import all_ssreflect all_algebra.
From WeightSharing Require Import Integers Equivariance.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import GRing.Theory.
Local Open Scope ring_scope.

(** A kernel with a single one in it reads off a single tap. *)
Lemma one_hot_kernel (R : ringType) (I K : finType) (i : I) (k : K) (f : I -> K -> R) :
  \sum_j \sum_l ((j == i) && (l == k))%:R * f j l = f i k.
Proof.
rewrite (bigD1 i) //= [X in _ + X]big1 ?addr0 => [|j /negPf ne].
  rewrite (bigD1 k) //= [X in _ + X]big1 ?addr0 => [|l /negPf ne]; first by rewrite !eqxx mul1r.
  by rewrite ne andbF mul0r.
by apply: big1 => l _; rewrite ne mul0r.
Qed.

(** ** Zeros outside of any region, on any grid *)
Section ZeroPadding.
Variables (R : ringType) (H G : zmodType) (phi : {additive H -> G}).
Variables (K : finType) (off : K -> G) (Ci Co : finType).
Implicit Types (D : pred G) (w : Co -> Ci -> K -> R) (b : Co -> R) (x : G -> Ci -> R).
Notation conv := (conv phi off).

Definition mask D x : G -> Ci -> R := fun m i => if D m then x m i else 0.

Theorem zero_padding_iff D t n (o : Co) (i : Ci) :
  (forall w b x, conv w b (mask D (shift (phi t) x)) n o = shift t (conv w b (mask D x)) n o)
  <-> (forall k, D (phi n + off k) = D (phi (n - t) + off k)).
Proof.
split=> [E k|E w b x]; last first.
  congr (_ + _); apply: eq_bigr => j _; apply: eq_bigr => k _.
  by rewrite /mask E /shift raddfB addrAC.
have := E (fun _ j l => ((j == i) && (l == k))%:R) (fun _ => 0) (fun _ _ => 1).
rewrite /shift /Equivariance.conv !add0r !one_hot_kernel /mask.
by case: (D _); case: (D _) => // /eqP; rewrite ?oner_eq0 // eq_sym oner_eq0.
Qed.

Theorem zero_padding_interior D t n o w b x :
  (forall k, D (phi n + off k)) -> (forall k, D (phi (n - t) + off k)) ->
  conv w b (mask D (shift (phi t) x)) n o = shift t (conv w b (mask D x)) n o.
Proof.
move=> d d'; congr (_ + _); apply: eq_bigr => j _; apply: eq_bigr => k _.
by rewrite /mask d d' /shift raddfB addrAC.
Qed.
End ZeroPadding.

(** ** The interior of an image of any dimension

    The grid is [Z^d], as functions from the d axes to [Z]; along axis [a] the image has [len a] cells, the window has
    [taps a] taps [dilation a] apart, stands [s a] apart, and begins [lo a] cells before the image. *)
Section Box.
Variable d : nat.
Notation grid := {ffun 'I_d -> Z}.

Section Stride.
Variable s : 'I_d -> nat.
Definition strides (n : grid) : grid := [ffun a => n a *+ s a].
Lemma strides_is_additive : additive strides.
Proof. by move=> m n; apply/ffunP=> a; rewrite !ffunE mulrnBl. Qed.
Canonical strides_additive := Additive strides_is_additive.
End Stride.

Variables (len lo : 'I_d -> Z) (s taps dilation : 'I_d -> nat).
Definition box : pred grid := fun m => [forall a, Z.leb 0 (m a) && Z.ltb (m a) (len a)].
Definition tap := {dffun forall a, 'I_(taps a)}.
Definition offsets (k : tap) : grid := [ffun a => Z.of_nat (k a) *+ dilation a - lo a].
Definition span a := (Z.of_nat (dilation a) * (Z.of_nat (taps a) - 1) + 1)%Z.

Lemma boxP (m : grid) : reflect (forall a, (0 <= m a < len a)%Z) (box m).
Proof.
apply: (iffP forallP) => b a; have := b a; first by case/andP=> /Z.leb_le ? /Z.ltb_lt.
by case=> ? ?; apply/andP; split; [apply/Z.leb_le|apply/Z.ltb_lt].
Qed.

Theorem inside_iff (n : grid) : (forall a, 0 < taps a)%N ->
  (forall k : tap, box (strides s n + offsets k))
  <-> (forall a, 0 <= n a * Z.of_nat (s a) - lo a /\ n a * Z.of_nat (s a) - lo a + span a <= len a)%Z.
Proof.
move=> some; split=> [all_in a|fits k]; last first.
  apply/boxP=> a; rewrite !ffunE !ZE; have := fits a; have := ltn_ord (k a); have := some a.
  by rewrite /span; move: (nat_of_ord _) => u /ltP ? /ltP ?; nia.
have first_in := boxP _ (all_in [ffun b => Ordinal (some b)]) a.
have last_lt b : ((taps b).-1 < taps b)%N by rewrite prednK.
have last_in := boxP _ (all_in [ffun b => Ordinal (last_lt b)]) a.
move: first_in last_in (some a); rewrite !ffunE !ZE /= /span => ? + /ltP some_a.
by rewrite Nat2Z.inj_pred //; lia.
Qed.

(** The same along one axis, solved for the position: from [ceil(lo / s)] to [floor((len + lo - span) / s)]. *)
Theorem interior_range (n s' lo' len' span' : Z) : (0 < s')%Z ->
  (0 <= n * s' - lo' /\ n * s' - lo' + span' <= len')%Z
  <-> ((lo' + s' - 1) / s' <= n <= (len' + lo' - span') / s')%Z.
Proof.
move=> pos; split=> [[low high]|[low high]].
  by split; [apply/Z.lt_succ_r; apply: Z.div_lt_upper_bound|apply: Z.div_le_lower_bound]; nia.
have := Z.mul_div_le (len' + lo' - span') s' pos.
have := Z.mul_succ_div_gt (lo' + s' - 1) s' pos.
by nia.
Qed.

Theorem box_interior (R : ringType) (Ci Co : finType) (w : Co -> Ci -> tap -> R) b x (t n : grid) o :
  (forall a, 0 < taps a)%N ->
  (forall a, 0 <= n a * Z.of_nat (s a) - lo a /\ n a * Z.of_nat (s a) - lo a + span a <= len a)%Z ->
  (forall a, 0 <= (n a - t a) * Z.of_nat (s a) - lo a /\
             (n a - t a) * Z.of_nat (s a) - lo a + span a <= len a)%Z ->
  conv [additive of strides s] offsets w b (mask box (shift (strides s t) x)) n o
  = shift t (conv [additive of strides s] offsets w b (mask box x)) n o.
Proof.
move=> some here there; apply: (zero_padding_interior (phi := [additive of strides s])).
  exact/inside_iff.
by apply/inside_iff => // a; have := there a; rewrite !ffunE.
Qed.
End Box.

(** ** Circles *)
Theorem cyclic_shift (R : ringType) (K Ci Co : finType) n (off : K -> 'I_n.+1) (w : Co -> Ci -> K -> R) b t x m :
  conv [additive of idfun] off w b (shift t x) m =1 shift t (conv [additive of idfun] off w b x) m.
Proof. exact: (conv_shift [additive of idfun]). Qed.

(** A signal on a circle of [N] cells, unrolled: a signal on [Z] that repeats itself after [N]. *)
Section CyclicStride.
Variables (R : ringType) (K Ci Co : finType) (off : K -> Z) (s N : nat).
Definition periodic (x : Z -> Ci -> R) := forall m i, x (m + Z.of_nat N)%Z i = x m i.
Definition outputs : Z := ((Z.of_nat N + Z.of_nat s - 1) / Z.of_nat s)%Z.
Notation conv := (conv [additive of @stride Z_zmodType s] off).

Lemma outputs_bounds : (0 < s)%N -> (0 < N)%N ->
  (0 < outputs /\ Z.of_nat N <= outputs * Z.of_nat s < Z.of_nat N + Z.of_nat s)%Z.
Proof.
move=> /ltP ? /ltP ?; rewrite /outputs.
have := Z.mul_div_le (Z.of_nat N + Z.of_nat s - 1) (Z.of_nat s).
have := Z.mul_succ_div_gt (Z.of_nat N + Z.of_nat s - 1) (Z.of_nat s).
by move: (_ / _)%Z; nia.
Qed.

Theorem cyclic_stride_iff (k : K) (i : Ci) (o : Co) : (0 < s)%N -> (s <= N)%N ->
  (forall w b x, periodic x -> forall j, (0 <= j < outputs)%Z ->
     conv w b (shift (Z.of_nat s) x) j o = conv w b x ((j - 1) mod outputs)%Z o)
  <-> (Z.of_nat s | Z.of_nat N)%Z.
Proof.
move=> s_pos s_le; have N_pos : (0 < N)%N by apply: leq_trans s_le.
have [M_pos [M_lo M_hi]] := outputs_bounds s_pos N_pos.
split=> [law|[q e] w b x per j j_in].
  pose x m (_ : Ci) : R := (((m - off k + Z.of_nat s) mod Z.of_nat N)%Z == Z0)%:R.
  have per : periodic x.
    move=> m j; rewrite /x (_ : (m + _ - _ + _ = (m - off k + Z.of_nat s) + 1 * Z.of_nat N)%Z); last by lia.
    by rewrite Z_mod_plus_full.
  have := law (fun _ j l => ((j == i) && (l == k))%:R) (fun _ => 0) x per Z0 (conj (Z.le_refl 0) M_pos).
  rewrite /Equivariance.conv !add0r !one_hot_kernel /shift /x /= /stride !ZE.
  rewrite (_ : (_ - off k + _)%Z = Z0); last by lia.
  rewrite Z.mod_0_l; last by move/ltP: N_pos; lia.
  rewrite eqxx (_ : ((0 - 1) mod outputs = outputs - 1)%Z); last first.
    by symmetry; apply: (Z.mod_unique _ _ (-1)); lia.
  rewrite (_ : (_ + off k - off k + _)%Z = (outputs * Z.of_nat s)%Z); last by lia.
  case: eqP => [z _|_ /eqP]; last by rewrite oner_eq0.
  have [|q e] := (Z.mod_divide (outputs * Z.of_nat s) (Z.of_nat N) _).1 z; first by move/ltP: N_pos; lia.
  exists outputs; move/leP: s_le => s_le; move/ltP: N_pos => N_pos.
  suff: q = 1%Z by move=> q1; lia.
  by nia.
have s_pos' : (0 < Z.of_nat s)%Z by move/ltP: s_pos; lia.
have eN : Z.of_nat N = (outputs * Z.of_nat s)%Z.
  have q_le := (Z.mul_le_mono_pos_r q outputs _ s_pos').2.
  have q_gt := (Z.mul_lt_mono_pos_r _ outputs (q + 1) s_pos').2.
  by rewrite e; congr Z.mul; lia.
have step : (j - 1 = (j - 1) mod outputs \/ j - 1 + outputs = (j - 1) mod outputs)%Z.
  case: (Z.eq_dec j 0) => [->|nz]; [right|left]; last by rewrite Z.mod_small; lia.
  by apply: (Z.mod_unique _ _ (-1)); lia.
have := conv_shift [additive of @stride Z_zmodType s] off w b 1%Z x j o.
rewrite (_ : _ 1%Z = Z.of_nat s); last by rewrite /= /stride ZE; lia.
move=> ->; rewrite /shift; case: step => <- //.
congr (_ + _); apply: eq_bigr => c _; apply: eq_bigr => l _; congr (_ * _).
rewrite -(per (_ + _)); congr (x _ c); rewrite /= /stride !ZE; nia.
Qed.
End CyclicStride.

(** ** A torus: an image of any dimension that goes on around every axis, unrolled *)
Section Torus.
Variables (R : ringType) (d : nat) (Ci Co K : finType) (s M : 'I_d -> nat).
Notation grid := {ffun 'I_d -> Z}.
Notation conv := (conv [additive of strides s]).
Variable off : K -> grid.
Hypothesis M_pos : forall a, (0 < M a)%N.

(** [M a] outputs and [M a * s a] cells along the axis [a]: the stride divides the length. *)
Definition same_cell (m m' : grid) := forall a, exists q, m' a = (m a + q * (Z.of_nat (M a) * Z.of_nat (s a)))%Z.
Definition toroidal (x : grid -> Ci -> R) := forall m m', same_cell m m' -> forall i, x m' i = x m i.
Definition rolled_by (t j : grid) : grid := [ffun a => ((j a - t a) mod Z.of_nat (M a))%Z].

Theorem torus_shift (w : Co -> Ci -> K -> R) b x (t j : grid) : toroidal x ->
  conv off w b (shift (strides s t) x) j =1 conv off w b x (rolled_by t j).
Proof.
move=> torus o; rewrite (conv_shift [additive of strides s]); congr (_ + _).
apply: eq_bigr => i _; apply: eq_bigr => k _; congr (_ * _); apply: torus => a.
exists ((j a - t a) / Z.of_nat (M a))%Z; rewrite /= !ffunE !ZE.
have := Z.div_mod (j a - t a) (Z.of_nat (M a)); have /ltP := M_pos a.
by move: (_ / _)%Z (_ mod _)%Z => q r ? e; rewrite Z.add_opp_r e; lia.
Qed.
End Torus.
