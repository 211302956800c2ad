(** * How many parameters a layer has

    In words: a shared kernel's parameters are counted without ever asking how large the image is; a locally connected
    layer has as many kernels as positions, a tiled one as many as its tile; a dense layer has a weight for each pair
    of an input and an output.  Each count is the cardinal of the type that indexes the parameters of the layer of that
    name in Gradient.v, so that nothing is assumed of what a layer holds.  Then the seeds' figures, by computation.

    Widths are those of two spatial axes; one axis is the case of width 1 along the other. *)
From Coq Require Import ZArith.
From mathcomp Require Import all_ssreflect all_algebra.
From WeightSharing Require Import Integers.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.

Section Count.
Variables (kh kw ci co : nat).       (* the kernel: kh x kw taps, from ci channels to co *)
Variables (h w ho wo th tw : nat).   (* the image, the output, and the tile after which kernels repeat *)
Notation Tap := ('I_kh * 'I_kw)%type.
Notation Cell := ('I_h * 'I_w)%type.
Notation Position := ('I_ho * 'I_wo)%type.
Notation Tile := ('I_th * 'I_tw)%type.
Notation Kernel := ('I_co * 'I_ci * Tap)%type.
Definition kernel_size := (co * ci * (kh * kw))%N.

Lemma card_kernel : #|{: Kernel}| = kernel_size. Proof. by rewrite !card_prod !card_ord. Qed.

(** A sum type is a kernel beside its biases: one bias for each output channel, and for each kernel that differs. *)
Theorem shared_count : #|{: Kernel}| = kernel_size /\ #|{: Kernel + 'I_co}| = (kernel_size + co)%N.
Proof. by rewrite card_sum !card_kernel card_ord. Qed.

Theorem local_count :
  #|{: Position * Kernel}| = (ho * wo * kernel_size)%N /\
  #|{: Position * (Kernel + 'I_co)}| = (ho * wo * (kernel_size + co))%N.
Proof. by rewrite !card_prod card_sum !card_prod !card_ord. Qed.

Theorem tiled_count :
  #|{: Tile * Kernel}| = (th * tw * kernel_size)%N /\
  #|{: Tile * (Kernel + 'I_co)}| = (th * tw * (kernel_size + co))%N.
Proof. by rewrite !card_prod card_sum !card_prod !card_ord. Qed.

Theorem dense_count :
  #|{: ('I_co * Position) * ('I_ci * Cell)}| = (co * (ho * wo) * (ci * (h * w)))%N /\
  #|{: ('I_co * Position) * ('I_ci * Cell) + 'I_co * Position}|
    = (co * (ho * wo) * (ci * (h * w)) + co * (ho * wo))%N.
Proof. by rewrite card_sum !card_prod !card_ord. Qed.
End Count.


(** ** The seeds' figures

    In binary, since the dense ones have ten digits. *)
Section Figures.
Local Open Scope Z_scope.
Notation parameters T := (Z.of_nat #|{: T}|).
Notation kernels co kh kw := ('I_co * 'I_1 * ('I_kh * 'I_kw))%type.
Ltac count := rewrite !card_prod !card_ord -?multE !Nat2Z.inj_mul; vm_compute; reflexivity.

(** A 2x2 kernel over a 3x3 input: 4 shared, 16 unshared, 36 dense. *)
Theorem two_by_two_over_three_by_three :
  parameters (kernels 1 2 2) = 4 /\
  parameters (('I_2 * 'I_2) * kernels 1 2 2) = 16 /\
  parameters (('I_1 * ('I_2 * 'I_2)) * ('I_1 * ('I_3 * 'I_3))) = 36.
Proof. by split; [|split]; count. Qed.

(** A 32x32 image: 65,536 weights to 64 units, 72 in eight 3x3 filters; 910 times fewer. *)
Theorem thirty_two_by_thirty_two :
  parameters (('I_64 * ('I_1 * 'I_1)) * ('I_1 * ('I_32 * 'I_32))) = 65536 /\
  parameters (kernels 8 3 3) = 72 /\
  65536 / 72 = 910.
Proof. by split; [|split]; [count|count|]. Qed.

(** A 224x224 image and a 3x3 filter, at 222x222 positions: 9 shared, 443,556 unshared.  The slides' "about 148,000"
    is 3 * 222 * 222, with one factor of 3 where their formula has two. *)
Theorem two_hundred_and_twenty_four :
  parameters (kernels 1 3 3) = 9 /\
  parameters (('I_222 * 'I_222) * kernels 1 3 3) = 443556 /\
  3 * 222 * 222 = 147852 /\ 443556 = 3 * 147852.
Proof. by split; [|split]; [count|count|]. Qed.

(** An image of [W x H] and a map of [X x Y]: [W H X Y] dense, [W H F F] local where the map has the image's size,
    [F F] shared. *)
Theorem three_counts (W H X Y F : nat) :
  #|{: ('I_1 * ('I_Y * 'I_X)) * ('I_1 * ('I_H * 'I_W))}| = (W * H * X * Y)%N /\
  #|{: ('I_H * 'I_W) * kernels 1 F F}| = (W * H * F * F)%N /\
  #|{: kernels 1 F F}| = (F * F)%N.
Proof.
rewrite !card_prod !card_ord !mul1n; split; first by rewrite mulnC [(H * W)%N]mulnC [(Y * X)%N]mulnC mulnA.
by rewrite [(H * W)%N]mulnC !mulnA.
Qed.
End Figures.
