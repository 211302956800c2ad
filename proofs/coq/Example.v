(** * The seeds' worked example, computed by the kernel of Coq

    In words: on the input [1 2 3], with the kernel [0.3 0.5], stride 1, no padding and no bias, the output is
    [1.3 2.1]; the output deltas [-0.1 0.2] give the kernel delta [0.3 0.4], the bias delta [0.1] and the input delta
    [-0.03 0.01 0.1].  Exactly, over the rationals; by the reference of Reference.v, of which Agreement.v proves that
    it is the layer of Gradient.v.  The mean over the overlays is not the gradient here
    ([worked_mean_is_not_the_gradient]).

    Source: the answer on backpropagation through shared weights, in the project's seeds. *)
From Coq Require Import ZArith.
From mathcomp Require Import all_ssreflect all_algebra.
From WeightSharing Require Import Integers Gradient Reference Agreement.
From WeightSharing Require Geometry.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.
Import GRing.Theory.
Local Open Scope ring_scope.

(** Hundredths. *)
Local Notation "n %cent" := (n%:~R / 100%:~R : rat) (at level 2, format "n %cent").
Definition axis := Geometry.Axis 3 2 1 1 (Geometry.Pad 0 0 Geometry.ZERO).
Definition table := overlays [:: axis].
Definition x := [:: 100%cent; 200%cent; 300%cent].
Definition w := [:: 30%cent; 50%cent].
Definition dy := [:: (-10)%cent; 20%cent].

Theorem worked_output : y_ref 0 +%R *%R table 3 2 1 1 w [:: 0] x = [:: 130%cent; 210%cent].
Proof. by apply/eqP; vm_compute. Qed.
Theorem worked_kernel_delta : dw_ref 0 +%R *%R table 3 2 1 1 x dy = [:: 30%cent; 40%cent].
Proof. by apply/eqP; vm_compute. Qed.
Theorem worked_bias_delta : db_ref 0 +%R table 1 dy = [:: 10%cent].
Proof. by apply/eqP; vm_compute. Qed.
Theorem worked_input_delta : dx_ref 0 +%R *%R table 3 2 1 1 w dy = [:: (-3)%cent; 1%cent; 10%cent].
Proof. by apply/eqP; vm_compute. Qed.

(** The layer of the example, as the theorems speak of it; were the mean over the two overlays its gradient, that would
    be [0.15 0.2]. *)
Theorem worked_mean_is_not_the_gradient :
  let pos := @pos table 3 2 in let x' : 'I_1 * 'I_3 -> rat := x_of x in
  ~ adjoint (fun w => conv pos w x') (mean_delta pos x' (Co := [finType of 'I_1])).
Proof.
move=> pos x' mean; have := mean_is_wrong _ mean (y_of dy) (ord0, ord0, ord0).
rewrite -dw_correct => [|p k m]; last exact: (@overlays_in_range [:: axis]).
by rewrite /w_of worked_kernel_delta card_ord => /(_ isT)/eqP; vm_compute.
Qed.
