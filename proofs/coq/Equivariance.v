(** * One function, applied to a moving window, commutes with shifts

    In words: a layer that looks at the input through a window, and does the same thing wherever the window stands,
    answers to a shifted input with a shifted output.  Nothing is assumed of what it does there, so convolution with
    bias, pooling, activations and any mixture of them are instances; weight sharing is just the fact that the rule
    [F] does not see where it is.

    A signal is a function [G -> A] from positions to values.  Positions form any abelian group [G]: the integers,
    pixels [Z * Z], a grid in d dimensions, a circle ['I_n.+1].  Values form any type [A]: numbers, or channel vectors.
    Signals are equal when they agree everywhere ([=1]).  The output may live on another grid [H]; the additive map
    [phi : H -> G] says where the window of each output stands: [n |-> s n] for a stride of [s], the same in each
    dimension or not, or any integer matrix.

    Source: Goodfellow, Bengio, Courville, Deep Learning (2016), 9.2; Cohen and Welling, Group equivariant
    convolutional networks (2016), for the view of positions as a group. *)
From mathcomp Require Import all_ssreflect all_algebra.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import GRing.Theory.
Local Open Scope ring_scope.

(** What stood at [n - t] stands at [n] after a shift by [t]. *)
Definition shift (G : zmodType) A (t : G) (x : G -> A) : G -> A := fun n => x (n - t).

(** ** Any rule, any window, any stride *)
Section Slide.
Variables (H G : zmodType) (phi : {additive H -> G}).  (* from output positions to input positions *)
Variables (K : finType) (off : K -> G).                (* the taps of the window and their offsets: dilation is here *)
Variables (A B : Type).
Implicit Types (x y : G -> A) (F : {ffun K -> A} -> B).

Definition slide F x : H -> B := fun n => F [ffun k => x (phi n + off k)].

Lemma eq_slide F x y : x =1 y -> slide F x =1 slide F y.
Proof. by move=> e n; congr F; apply/ffunP=> k; rewrite !ffunE e. Qed.

Theorem slide_shift F t x : slide F (shift (phi t) x) =1 shift t (slide F x).
Proof. by move=> n; congr F; apply/ffunP=> k; rewrite !ffunE /shift raddfB addrAC. Qed.
End Slide.

(** ** Layers compose

    Two layers are one layer: its lattice map is the composition, its taps are pairs of taps, whose offsets add. *)
Section Compose.
Variables (I H G : zmodType) (phi1 : {additive H -> G}) (phi2 : {additive I -> H}).
Variables (K1 K2 : finType) (off1 : K1 -> G) (off2 : K2 -> H) (A B C : Type).
Variables (F1 : {ffun K1 -> A} -> B) (F2 : {ffun K2 -> B} -> C).

Definition off12 (k : K2 * K1) : G := phi1 (off2 k.1) + off1 k.2.
Definition rule12 (a : {ffun K2 * K1 -> A}) : C := F2 [ffun k2 => F1 [ffun k1 => a (k2, k1)]].

Theorem slide_compose x :
  slide phi2 off2 F2 (slide phi1 off1 F1 x) =1 slide [additive of phi1 \o phi2] off12 rule12 x.
Proof.
move=> n; congr F2; apply/ffunP=> k2; rewrite !ffunE; congr F1; apply/ffunP=> k1.
by rewrite !ffunE /= raddfD addrA.
Qed.
End Compose.

(** ** Strides *)
Section Stride.
Variable G : zmodType.
Definition stride s (n : G) := n *+ s.
Lemma stride_is_additive s : additive (stride s).
Proof. by move=> m n; rewrite /stride mulrnBl. Qed.
Canonical stride_additive s := Additive (stride_is_additive s).

Theorem strides_multiply s1 s2 : stride s1 \o stride s2 =1 stride (s1 * s2).
Proof. by move=> n; rewrite /stride /= -mulrnA mulnC. Qed.
End Stride.

(** ** Convolution

    [y(n, o) = b(o) + sum over i and k of w(o, i, k) x(phi n + off k, i)]: cross-correlation, as every library has it;
    several channels, a bias, any stride and any dilation, in any number of dimensions. *)
Section Convolution.
Variables (R : ringType) (H G : zmodType) (phi : {additive H -> G}).
Variables (K : finType) (off : K -> G) (Ci Co : finType).
Implicit Types (w : Co -> Ci -> K -> R) (b : Co -> R) (x : G -> Ci -> R).

Definition conv w b x (n : H) (o : Co) : R := b o + \sum_i \sum_k w o i k * x (phi n + off k) i.

Lemma conv_slide w b x n o :
  conv w b x n o = slide phi off (fun a o => b o + \sum_i \sum_k w o i k * a k i) x n o.
Proof. by congr (_ + _); apply: eq_bigr => i _; apply: eq_bigr => k _; rewrite ffunE. Qed.

Theorem conv_shift w b t x n : conv w b (shift (phi t) x) n =1 shift t (conv w b x) n.
Proof. by move=> o; rewrite /shift !conv_slide slide_shift. Qed.
End Convolution.

(** ** Activations, sums of branches, pooling, up-sampling *)
Section PointWise.
Variables (G : zmodType) (A B C : Type).
Theorem map_shift (f : A -> B) t (x : G -> A) : f \o shift t x =1 shift t (f \o x).
Proof. by []. Qed.
Theorem map2_shift (f : A -> B -> C) t (x : G -> A) (y : G -> B) :
  (fun n => f (shift t x n) (shift t y n)) =1 shift t (fun n => f (x n) (y n)).
Proof. by []. Qed.
End PointWise.

(** The taps are combined by any operation at all: [max], [+], or one that is not even associative. *)
Section Pool.
Variables (T : Type) (idx : T) (op : T -> T -> T).
Variables (H G : zmodType) (phi : {additive H -> G}) (K : finType) (off : K -> G).
Definition pool (x : G -> T) (n : H) := \big[op/idx]_k x (phi n + off k).
Theorem pool_shift t x : pool (shift (phi t) x) =1 shift t (pool x).
Proof. by move=> n; apply: eq_bigr => k _; rewrite /shift raddfB addrAC. Qed.
End Pool.

(** Pooling over a whole finite group (cyclic shifts) does not see the shift. *)
Theorem global_pool_invariant (T : Type) (idx : T) (op : Monoid.com_law idx) (G : finZmodType) (t : G) (x : G -> T) :
  \big[op/idx]_n shift t x n = \big[op/idx]_n x n.
Proof. by rewrite (reindex_inj (addIr t)) /=; apply: eq_bigr => n _; rewrite /shift addrK. Qed.

(** Up-sampling puts [x(h)] at [phi h] and [z] where there is none; the lattice map runs the other way. *)
Section UpSample.
Variables (H G : zmodType) (phi : {additive H -> G}) (inv : G -> option H) (A : Type) (z : A).
Hypothesis invP : forall g h, inv g = Some h <-> g = phi h.
Definition up_sample (x : H -> A) (g : G) := if inv g is Some h then x h else z.
Theorem up_sample_shift t x : up_sample (shift t x) =1 shift (phi t) (up_sample x).
Proof.
move=> g; rewrite /up_sample /shift; case e: (inv g) => [h|].
  by move/invP: e => ->; rewrite (_ : inv _ = Some (h - t)) //; apply/invP; rewrite raddfB.
case e': (inv _) => [h|] //; move/invP: e' => /eqP; rewrite subr_eq -raddfD => /eqP /invP.
by rewrite e.
Qed.
End UpSample.
