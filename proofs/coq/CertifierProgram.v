(** Programs of the certifier's instructions: what they compute, and what the abstract interpreter says of it.

    A program is a list of instructions, each making one value of earlier ones. Functions of numbers are not interpreted:
    what is proved holds whatever they are, and so for the primitives that the instructions stand for. *)
From Coq Require Import ZArith List Lia Bool Permutation.
Require Import CertifierDomain CertifierAxis CertifierSums CertifierView CertifierWeigh CertifierRules.
Import ListNotations.
Open Scope Z_scope.

Inductive instr :=
| Const (sizes : list (Z * Z))
    (* a table; each axis has a length, and a period after which its numbers repeat: 0 if none, 1 if all are alike *)
| Map (xs : list nat)                                        (* F(x[i], y[i], ...) *)
| Reindex (x : nat) (places : list (option nat)) (sizes : list Z)  (* broadcast, transpose, squeeze *)
| Slice (x a : nat) (length start stride count : Z)
| Pad (x z a : nat) (length before apart total : Z)          (* with the number z *)
| Unfold (x z a : nat) (length start stride dilation taps count : Z) (by_taps : bool)
    (* windows: axis a becomes count * taps cells; by_taps: their taps move along with x, and not the windows *)
| Along (x a : nat) (length count : Z) (commutes : bool)
    (* F(i, all cells of x along a), i < count; commutes: whatever their order. Reductions keep count = 1 cell *)
| Weigh (x a : nat) (length : Z) (cs : list column) (apart by_ : Z)
    (* F(the cells at known places, each with its weight's name); columns `apart` apart should advance by `by_` cells *)
| Recut (x a : nat) (c c' : Z)                               (* axes a and a+1 as others of as many cells *)
| Cat (x y a : nat) (la lb : Z)
| Opaque (xs : list (nat * list Z)) (sizes : list Z).        (* F(i, all cells of all operands) *)

Section Program.
Variable R : Type.

(** The functions that a program uses: those of its n-th value. *)
Record functions := Functions {
  nothing : R;
  table : nat -> list Z -> R;
  mapping : nat -> list R -> R;
  summing : nat -> Z -> list R -> R;
  mixing : nat -> Z -> list R -> R;
  weighing : nat -> list (Z * R) -> R;
  making : nat -> list (list R) -> list Z -> R
}.
Definition sound_functions (fn : functions) : Prop := forall n, commutative (summing fn n).
Variable fn : functions.

Definition get (e : list (array R)) (x : nat) : array R := nth x e (fun _ => nothing fn).
Definition folded (p i : Z) : Z := if p =? 0 then i else i mod p.

Fixpoint indices (sizes : list Z) : list (list Z) :=
  match sizes with [] => [[]] | n :: sizes => flat_map (fun i => map (cons i) (indices sizes)) (range n) end.

Definition execute (n : nat) (e : list (array R)) (i : instr) : array R :=
  match i with
  | Const sizes => fun i => table fn n (map (fun p => folded (snd (fst p)) (snd p)) (combine sizes i))
  | Map xs => fun i => mapping fn n (map (fun x => get e x i) xs)
  | Reindex x places _ => reindex places (get e x)
  | Slice x a _ start stride _ => along a (fun i w => w (start + stride * i)) (get e x)
  | Pad x z a length before apart _ => along a (pad length before apart (get e z [])) (get e x)
  | Unfold x z a length start stride dilation taps _ _ =>
      along a (unfold length start stride dilation taps (get e z [])) (get e x)
  | Along x a length _ commutes => along a (mixed (if commutes then summing fn n else mixing fn n) length) (get e x)
  | Weigh x a _ cs _ _ => along a (weigh (weighing fn n) cs) (get e x)
  | Recut x a c c' => recut a c c' (get e x)
  | Cat x y a la _ => cat a la (get e x) (get e y)
  | Opaque xs _ => making fn n (map (fun p => map (get e (fst p)) (indices (snd p))) xs)
  end.

Definition run (p : list instr) (e : list (array R)) : list (array R) :=
  fold_left (fun e i => e ++ [execute (length e) e i]) p e.

End Program.

(** * The abstract interpreter *)

(** A state, and the number of the value of whose signal this one is a window. *)
Record value := Value { axes : state; origin : nat }.

Definition factor_eqb (f g : factor) : bool :=
  (len f =? len g) && (step f =? step g) && (per f =? per g) && (lo f =? lo g) && (hi f =? hi g) && (org f =? org g).
Fixpoint axis_eqb (fs gs : axis) : bool :=
  match fs, gs with [], [] => true | f :: fs, g :: gs => factor_eqb f g && axis_eqb fs gs | _, _ => false end.
Fixpoint state_eqb (A B : state) : bool :=
  match A, B with [], [] => true | fs :: A, gs :: B => axis_eqb fs gs && state_eqb A B | _, _ => false end.

Definition look (e : list (option value)) (x : nat) : option value := nth x e None.
Definition fresh (n : nat) (A : state) : option value := Some (Value (map (tidy false) A) n).

(** An operand one of whose axes has so many cells: its state, and that axis. *)
Definition operand (e : list (option value)) (x a : nat) (length_ : Z) : option (value * axis) :=
  match look e x with
  | Some v => let fs := nth a (axes v) [] in
      if Nat.ltb a (length (axes v)) && (size fs =? length_) then Some (v, fs) else None
  | None => None
  end.
Definition single (fs : axis) : option factor := match tidy true fs with [f] => Some f | _ => None end.
Definition alike (fs : axis) : bool := forallb fixed fs && forallb (fun f => per f =? 1) fs.
Definition number (e : list (option value)) (z : nat) : bool :=
  match look e z with Some v => match axes v with [] => true | _ => false end | None => false end.

Definition infer_slice (n : nat) (v : value) (a : nat) (fs : axis) (start stride count : Z) : option value :=
  let reads lo := (0 <=? lo) && (lo <? size fs) in
  if alike fs && reads start && reads (start + stride * (count - 1)) then fresh n (setn a (uniform count) (axes v))
  else match single fs with
  | Some f =>
      match read f start start stride count with
      | Some g => if (stride =? 1) && axis_eqb fs [f] then Some (Value (setn a [g] (axes v)) (origin v))
                  else fresh n (setn a [g] (axes v))
      | None => None
      end
  | None => if forallb fixed fs && reads start && reads (start + stride * (count - 1))
            then fresh n (setn a (still count) (axes v)) else None
  end.

(** A value whose axis a is one factor, or stays. *)
Definition one_factor (v : option value) (a : nat) : option (value * factor) :=
  match v with
  | Some v => match nth a (axes v) [] with
      | [f] => if Nat.ltb a (length (axes v)) then Some (v, f) else None | _ => None end
  | None => None
  end.
Definition stays_along (v : value) (a : nat) : bool :=
  Nat.ltb a (length (axes v)) && forallb fixed (nth a (axes v) []).

Definition cat_first (x : option value) (a : nat) (la lb : Z) : option value :=
  match one_factor x a with
  | Some (v, f) => if fixed f then None else Some (Value (setn a [ahead la lb f] (axes v)) (origin v))
  | None => None
  end.
Definition cat_second (y : option value) (a : nat) (la lb : Z) : option value :=
  match one_factor y a with
  | Some (v, f) =>
      if fixed f || negb (len f =? lb) then None else Some (Value (setn a [behind la f] (axes v)) (origin v))
  | None => None
  end.
Definition cat_joined (x y : option value) (a : nat) (la lb : Z) : option value :=
  match one_factor x a, one_factor y a with
  | Some (v, f), Some (w, g) =>
      let f' := ahead la lb f in let g' := behind la g in
      if negb (fixed f) && Nat.eqb (origin v) (origin w) && state_eqb (setn a [] (axes v)) (setn a [] (axes w)) &&
         (len f' =? len g') && (step f' =? step g') && (per f' =? per g') && divides (per f') (org f' - org g') &&
         (lo g' <=? hi f')
      then Some (Value (setn a [Factor (len f') (step f') (per f') (lo f') (hi g') (org f')] (axes v)) (origin v))
      else None
  | _, _ => None
  end.
Definition cat_stays (n : nat) (x y : option value) (a : nat) (la lb : Z) : option value :=
  match x, y with
  | Some v, Some w =>
      if stays_along v a && stays_along w a then
        match meet_states (setn a [] (axes v)) (setn a [] (axes w)) with
        | Some C =>
            let A := setn a (nth a (axes v) []) C in let B := setn a (nth a (axes w) []) C in
            if all_fit (axes v) A && all_fit (axes w) B && (size (nth a (axes v) []) =? la) &&
               (size (nth a (axes w) []) =? lb) && Nat.ltb a (length C)
            then fresh n (setn a (still (la + lb)) C) else None
        | None => None
        end
      else None
  | _, _ => None
  end.

(** How many cells along an axis show the signal. *)
Definition clear (v : option value) (a : nat) : Z :=
  match one_factor v a with Some (_, f) => hi f - lo f | None => -1 end.
Definition infer_cat (n : nat) (x y : option value) (a : nat) (la lb : Z) : option value :=
  match cat_stays n x y a la lb, cat_joined x y a la lb with
  | Some v, _ => Some v
  | None, Some v => Some v
  | None, None =>
      let first := cat_first x a la lb in let second := cat_second y a la lb in
      match first, second with
      | None, _ => second
      | _, None => first
      | Some _, Some _ => if clear first a <? clear second a then second else first
      end
  end.

Fixpoint operands (e : list (option value)) (xs : list nat) : option (list value) :=
  match xs with
  | [] => Some []
  | x :: xs => match look e x, operands e xs with Some v, Some vs => Some (v :: vs) | _, _ => None end
  end.

Fixpoint in_common (A : state) (vs : list value) : option state :=
  match vs with
  | [] => Some A
  | v :: vs => match meet_states A (axes v) with Some B => in_common B vs | None => None end
  end.

Definition infer_map (n : nat) (vs : list value) : option value :=
  match vs with
  | [] => None
  | v :: _ =>
    match in_common (axes v) vs with
    | Some C => if forallb (fun v => all_fit (axes v) C) vs then fresh n C else None
    | None => None
    end
  end.

Definition placed (A : state) (places : list (option nat)) (b : nat) (n : Z) : axis :=
  match find (fun q => match snd q with Some b' => Nat.eqb b b' | None => false end) (combine A places) with
  | Some (fs, _) => fs
  | None => uniform n
  end.

Definition infer_reindex (n : nat) (v : value) (places : list (option nat)) (sizes : list Z) : option value :=
  let B := map (fun q => placed (axes v) places (fst q) (snd q)) (combine (seq 0 (length sizes)) sizes) in
  let ok q := match snd q with
    | Some b => Nat.ltb b (length B) && axis_eqb (nth b B []) (fst q) | None => forallb fixed (fst q) end in
  if Nat.eqb (length (axes v)) (length places) && forallb ok (combine (axes v) places) then fresh n B else None.

Definition infer_recut (n : nat) (v : value) (a : nat) (c c' : Z) : option value :=
  let A := axes v in
  if Nat.ltb (S a) (length A) && (size (nth (S a) A []) =? c) then
    match cut_at (nth a A [] ++ nth (S a) A []) c' with
    | Some (gs, hs) => fresh n (setn a gs (setn (S a) hs A))
    | None => None
    end
  else None.

Definition sizes_of (v : value) : list Z := map size (axes v).
Fixpoint list_eqb (l m : list Z) : bool :=
  match l, m with [], [] => true | x :: l, y :: m => (x =? y) && list_eqb l m | _, _ => false end.
Definition stays (e : list (option value)) (p : nat * list Z) : bool :=
  match look e (fst p) with
  | Some v => forallb (forallb fixed) (axes v) && list_eqb (sizes_of v) (snd p) | None => false end.

Definition infer (n : nat) (e : list (option value)) (i : instr) : option value :=
  match i with
  | Const sizes => if forallb (fun p => (0 <=? snd p)) sizes
      then fresh n (map (fun p => [Factor (fst p) 0 (snd p) 0 (fst p) 0]) sizes) else None
  | Map xs => match operands e xs with Some vs => infer_map n vs | None => None end
  | Reindex x places sizes => match look e x with Some v => infer_reindex n v places sizes | None => None end
  | Slice x a l start stride count =>
      match operand e x a l with Some (v, fs) => infer_slice n v a fs start stride count | None => None end
  | Pad x z a l before apart total =>
      match operand e x a l with
      | Some (v, fs) => if number e z && (0 <? apart) then
          if forallb fixed fs then fresh n (setn a (still total) (axes v))
          else match single fs with
          | Some f => if len f =? l then fresh n (setn a [longest_part f l before apart total] (axes v)) else None
          | None => None end
        else None
      | None => None end
  | Unfold x z a l start stride dilation taps count by_taps =>
      match operand e x a l with
      | Some (v, fs) =>
        if number e z && (0 <? taps) && (0 <? dilation) then
          let last := start + dilation * (taps - 1) in
          if alike fs && (0 <=? start) && (0 <? stride) && (last + stride * (count - 1) <? l)
          then fresh n (setn a [Factor count 0 1 0 count 0; Factor taps 0 1 0 taps 0] (axes v))
          else if forallb fixed fs then fresh n (setn a (still (count * taps)) (axes v))
          else match single fs with
          | Some f =>
              if negb (len f =? l) then None
              else if by_taps then
                match read f start (start + stride * (count - 1)) dilation taps with
                | Some g => if (0 <? stride) && (0 <=? count) then fresh n (setn a (still count ++ [g]) (axes v)) else None
                | None => None end
              else match read f start last stride count with
                | Some g => fresh n (setn a (g :: still taps) (axes v))
                | None => None end
          | None => None end
        else None
      | None => None end
  | Along x a l count commutes =>
      match operand e x a l with
      | Some (v, fs) => if forallb fixed fs || (commutes && forallb whole fs)
                        then fresh n (setn a (still count) (axes v)) else None
      | None => None end
  | Weigh x a l cs apart by_ =>
      match operand e x a l with
      | Some (v, fs) =>
        if forallb fixed fs && forallb (forallb (fun c => (0 <=? fst c) && (fst c <? l))) cs
        then fresh n (setn a (still (Z.of_nat (length cs))) (axes v))
        else match single fs with
        | Some f => match advances f cs apart by_ with Some g => fresh n (setn a [g] (axes v)) | None => None end
        | None => None end
      | None => None end
  | Recut x a c c' => match look e x with Some v => infer_recut n v a c c' | None => None end
  | Cat x y a la lb => infer_cat n (look e x) (look e y) a la lb
  | Opaque xs sizes => if forallb (stays e) xs then fresh n (map still sizes) else None
  end.

Definition infer_all (p : list instr) (e : list (option value)) : list (option value) :=
  fold_left (fun e i => e ++ [infer (length e) e i]) p e.
