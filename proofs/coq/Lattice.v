(** * The table of the reference is the window of the theorems, in any number of dimensions

    In words: with zero padding, tap [u] of output [j] in the executable table reads what the layer of Equivariance.v
    reads there: the scene at [strides j + offsets u] on the grid [Z^d], where the image is, and a zero elsewhere.  With
    cyclic padding it reads the scene that goes on around the circle, or torus.  So what is run, and written to the
    golden files, is what Padding.v proves equivariant: in the interior, or everywhere. *)
From Coq Require Import ZArith Lia.
From mathcomp Require Import all_ssreflect all_algebra.
From WeightSharing Require Import Integers Equivariance Padding Reference Agreement.
From WeightSharing Require Geometry.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import GRing.Theory.
Local Open Scope ring_scope.

Section Lattice.
Variables (d : nat) (axes : 'I_d -> Geometry.axis).
Hypothesis strides_pos : forall a, (0 <= Geometry.stride (axes a))%Z.
Hypothesis dilations_pos : forall a, (0 <= Geometry.dilation (axes a))%Z.

Definition len a := Geometry.length (axes a).
Definition lo a := Geometry.lo (Geometry.padded_by (axes a)).
Definition s a := Z.to_nat (Geometry.stride (axes a)).
Definition dilation a := Z.to_nat (Geometry.dilation (axes a)).
Definition taps a := n_taps (axes a).
Notation grid := {ffun 'I_d -> Z}.
(** A function of the axes, as the list that the reference takes. *)
Definition listed T (f : 'I_d -> T) := [seq f a | a <- enum 'I_d].
Lemma map_listed T U (f : T -> U) (g : 'I_d -> T) : [seq f i | i <- listed g] = listed (fun a => f (g a)).
Proof. by rewrite /listed -map_comp. Qed.
Definition image : pred grid := box len.

Section Tap.
Variables (j : {ffun 'I_d -> nat}) (u : tap taps).
Definition reading : grid := strides s [ffun a => Z.of_nat (j a)] + offsets lo dilation u.

Lemma readingE a : reading a = Geometry.coordinate (axes a) (Z.of_nat (j a)) (Z.of_nat (u a)).
Proof.
rewrite !ffunE !ZE /s /dilation /Geometry.coordinate /lo !Z2Nat.id //.
by lia.
Qed.

Lemma indexes_listed (f g : 'I_d -> nat) : (forall a, f a < g a)%N -> indexes (listed g) (listed f).
Proof. by move=> lt; rewrite /listed; elim: (enum _) => //= a r ->; rewrite lt. Qed.

Variables (R : ringType) (x : grid -> R) (xs : seq R) (cells : nat).
Hypothesis xs_is_x : forall m, image m ->
  xs`_(ravel (listed (fun a => n_cells (axes a))) (listed (fun a => Z.to_nat (m a)))) = x m.
Hypothesis j_lt : forall a, (j a < n_out (axes a))%N.
Definition read_from_table := at_x 0 cells xs 0
  (reads (overlays (listed axes)) (ravel (listed (fun a => n_out (axes a))) (listed j))
                                  (ravel (listed taps) (listed (fun a => u a : nat)))).

Lemma read_from_tableE : read_from_table = at_x 0 cells xs 0
  (omap (ravel (listed (fun a => n_cells (axes a))))
        (coordinates (listed axes) (listed j) (listed (fun a => u a : nat)))).
Proof.
rewrite /read_from_table; have := @overlays_read (listed axes) (listed j) (listed (fun a => u a : nat)).
by rewrite !map_listed => -> //; exact: indexes_listed.
Qed.

(** ** Zeros around the image *)
Section Zeros.
Hypothesis zeros : forall a, Geometry.bound (Geometry.padded_by (axes a)) = Geometry.ZERO.

Lemma read1_zeros a : read1 (axes a) (j a) (u a) =
  if Geometry.inside (reading a) (len a) then Some (Z.to_nat (reading a)) else None.
Proof. by rewrite /read1 /Geometry.read -readingE /Geometry.cell zeros; case: Geometry.inside. Qed.

Lemma coordinates_zeros (r : seq 'I_d) :
  coordinates [seq axes a | a <- r] [seq j a | a <- r] [seq u a : nat | a <- r] =
  if all (fun a => Geometry.inside (reading a) (len a)) r then Some [seq Z.to_nat (reading a) | a <- r] else None.
Proof. by elim: r => //= a r ->; rewrite read1_zeros; case: Geometry.inside => //=; case: all. Qed.

Lemma imageE : image reading = all (fun a => Geometry.inside (reading a) (len a)) (enum 'I_d).
Proof.
by apply/forallP/allP => [b a _|b a]; [exact: b|exact/b/mem_enum].
Qed.

Theorem table_is_masked_window : read_from_table = mask image (fun m (_ : unit) => x m) reading tt.
Proof.
rewrite read_from_tableE /listed coordinates_zeros /mask -imageE; case: ifP => //= inside.
by rewrite mul0n add0n -xs_is_x // /listed.
Qed.
End Zeros.

(** ** The image around a circle, or a torus *)
Section Circles.
Hypothesis circles : forall a, Geometry.bound (Geometry.padded_by (axes a)) = Geometry.CIRCULAR.
Hypothesis len_pos : forall a, (0 < len a)%Z.
Hypothesis periodic : forall m m' : grid, (forall a, exists q, m' a = m a - q * len a)%Z -> x m' = x m.

Definition wrapped : grid := [ffun a => (reading a mod len a)%Z].

Lemma read1_circles a : read1 (axes a) (j a) (u a) = Some (Z.to_nat (wrapped a)).
Proof.
rewrite /read1 /Geometry.read -readingE /Geometry.cell circles [wrapped a]ffunE /len.
case e: Geometry.inside; last by [].
by rewrite Z.mod_small //; apply/Geometry.insideP.
Qed.

Theorem table_is_periodic_window : read_from_table = x reading.
Proof.
have coordinates_wrapped (r : seq 'I_d) : coordinates [seq axes a | a <- r] [seq j a | a <- r] [seq u a : nat | a <- r]
    = Some [seq Z.to_nat (wrapped a) | a <- r].
  by elim: r => //= a r ->; rewrite read1_circles.
rewrite read_from_tableE /listed coordinates_wrapped /= mul0n add0n.
rewrite -[RHS](@periodic reading wrapped) => [|a].
  rewrite -xs_is_x //; apply/boxP=> a; rewrite [wrapped a]ffunE; exact: Z.mod_pos_bound.
exists (reading a / len a)%Z; rewrite [wrapped a]ffunE; have := len_pos a => pos.
by rewrite {2}(Z.div_mod (reading a) (len a)); lia.
Qed.
End Circles.
End Tap.
End Lattice.
