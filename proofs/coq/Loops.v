(** * Loops: how their results are related when their states are

    In words: a loop repeats a body as long as a condition holds.  Two runs of it, on an input and on the shifted one,
    have related results if the rounds keep the states related and

    - the condition is one truth value, the same in both runs: then both take equally many rounds, whatever their number
      ([one_condition]); the relation may be another one after each round ([followed_rounds]);
    - or the condition has a cell for each position, as [vmap] makes it: then a cell whose condition does not hold keeps
      its state, while the others go on, and the loop ends when no cell's condition holds.  The runs may take different
      numbers of rounds, because further rounds would change nothing ([late_rounds_change_nothing]).  The condition has
      to be related like the state: cell by cell ([cells_stop_by_themselves]).

    Which cells go on is seen in the result.  So it is false that the result is invariant where the initial state and
    the body are ([one_truth_value_is_false]).

    What is assumed: condition and body are functions of their operands (no effects, no random numbers), and both runs
    end; of a loop that never ends nothing is said.  Nothing is assumed of dtypes: no number is added up.

    Source: the semantics of [jax.lax.while_loop] and its batching rule in JAX's documentation. *)
From mathcomp Require Import all_ssreflect.
Set Implicit Arguments. Unset Strict Implicit. Unset Printing Implicit Defensive.

(** The loop ends after [n] rounds, with the state [r]. *)
Definition ends S (goes_on : pred S) (round : S -> S) (n : nat) (s r : S) :=
  [/\ forall m, m < n -> goes_on (iter m round s), ~~ goes_on r & r = iter n round s].

(** ** A condition that is one truth value *)
Section OneCondition.
Variables (S S' : Type) (goes_on : pred S) (goes_on' : pred S') (body : S -> S) (body' : S' -> S').

(** [R m] relates the states after [m] rounds. *)
Theorem followed_rounds (R : nat -> S -> S' -> Prop) :
  (forall m s s', R m s s' -> goes_on s = goes_on' s') ->
  (forall m s s', R m s s' -> R m.+1 (body s) (body' s')) ->
  forall n s s' r, R 0 s s' -> ends goes_on body n s r ->
  exists2 r', ends goes_on' body' n s' r' & R n r r'.
Proof.
move=> same keeps n s s' r start [before after e]; rewrite {r}e in after *.
have related m : R m (iter m body s) (iter m body' s') by elim: m => //= m; apply: keeps.
exists (iter n body' s') => //; split=> // [m lt|]; last by rewrite -(same _ _ _ (related n)).
by rewrite -(same _ _ _ (related m)) before.
Qed.

(** One relation in all rounds, as where the state moves alike in each. *)
Theorem one_condition (R : S -> S' -> Prop) :
  (forall s s', R s s' -> goes_on s = goes_on' s') ->
  (forall s s', R s s' -> R (body s) (body' s')) ->
  forall n s s' r, R s s' -> ends goes_on body n s r ->
  exists2 r', ends goes_on' body' n s' r' & R r r'.
Proof. by move=> same keeps n; apply: (followed_rounds (R := fun=> R)) => // _; apply: same. Qed.
End OneCondition.

(** ** Rounds that change nothing once the loop is over

    The runs [k] are as many as there are shifts; [R] relates any two of them.  It is enough that a round keeps the
    states related when all are: that is what a walk through the body proves. *)
Section Late.
Variables (K S : Type) (goes_on : K -> pred S) (round : K -> S -> S) (R : K -> K -> S -> S -> Prop).
Hypothesis over : forall k s, ~~ goes_on k s -> round k s = s.
Definition related (s : K -> S) := forall k k', R k k' (s k) (s k').

Theorem late_rounds_change_nothing :
  (forall s, related s -> related (fun k => round k (s k))) ->
  forall n s r, related s -> (forall k, ends (goes_on k) (round k) (n k) (s k) (r k)) -> related r.
Proof.
move=> keeps n s r start all_end k k'.
have always m : related (fun k => iter m (round k) (s k)) by elim: m => //= m; apply: keeps.
have late j m : n j <= m -> iter m (round j) (s j) = r j.
  have [_ done e] := all_end j; move/subnK=> <-; rewrite iterD -e.
  by elim: (m - n j) => //= i ->; apply: over.
by have := always (maxn (n k) (n k')) k k'; rewrite !late ?leq_maxl ?leq_maxr.
Qed.
End Late.

(** ** A condition with a cell for each position

    The state has the cells [P], those of all its arrays together; cell [x] of it belongs to cell [p x] of the
    condition, whose axes are the state's first ones. *)
Section Cells.
Variables (P I : finType) (p : P -> I) (A : Type).
Notation state := {ffun P -> A}.
Definition some_cell (c : state -> I -> bool) : pred state := fun s => [exists i, c s i].
Definition round (c : state -> I -> bool) (body : state -> state) (s : state) : state :=
  [ffun x => if c s (p x) then body s x else s x].

(** [V k k' x y]: cell [y] of the run [k'] stands where cell [x] of the run [k] does, once the scene is shifted. *)
Section Runs.
Variables (K : Type) (V : K -> K -> P -> P -> Prop).
Definition alike B (v : K -> P -> B) := forall k k' x y, V k k' x y -> v k x = v k' y.

Theorem cells_stop_by_themselves (c : K -> state -> I -> bool) (body : K -> state -> state) :
  (forall s : K -> state, alike (fun k => s k) -> alike (fun k x => c k (s k) (p x))) ->
  (forall s : K -> state, alike (fun k => s k) -> alike (fun k => body k (s k))) ->
  forall n (s r : K -> state), alike (fun k => s k) ->
  (forall k, ends (some_cell (c k)) (round (c k) (body k)) (n k) (s k) (r k)) -> alike (fun k => r k).
Proof.
move=> same keeps n s r start all_end k k'.
pose R k k' (u v : state) := forall x y, V k k' x y -> u x = v y.
apply: (late_rounds_change_nothing (R := R) _ _ start all_end) => [j u|u like j j' x y at_xy].
  by rewrite negb_exists => /forallP none; apply/ffunP=> x; rewrite ffunE (negPf (none _)).
by rewrite !ffunE (same u like _ _ _ _ at_xy) (keeps u like _ _ _ _ at_xy) (like _ _ _ _ at_xy).
Qed.
End Runs.
End Cells.

(** Were a condition with cells read as one truth value, which no shift changes, this would be a proof that a result is
    invariant: the initial state is the same in both runs, and so is the body.  Two cells count up to [x], which is 0
    and 1, or 1 and 0 once it is shifted: the results are [x]. *)
Theorem one_truth_value_is_false :
  ~ forall (c c' : {ffun bool -> nat} -> bool -> bool) body n n' s r r',
      ends (some_cell c) (round id c body) n s r -> ends (some_cell c') (round id c' body) n' s r' -> r = r'.
Proof.
move=> claim.
pose below (x : bool -> nat) (s : {ffun bool -> nat}) i := s i < x i.
pose up (s : {ffun bool -> nat}) := [ffun i => (s i).+1].
pose zero : {ffun bool -> nat} := [ffun=> 0].
have counts x : (forall i, x i < 2) -> (exists i, 0 < x i) ->
    ends (some_cell (below x)) (round id (below x) up) 1 zero [ffun i => x i].
  move=> small [j pos]; split=> [[|m] //= _||].
  - by apply/existsP; exists j; rewrite /below ffunE.
  - by rewrite negb_exists; apply/forallP=> i; rewrite /below ffunE ltnn.
  - by apply/ffunP=> i; rewrite /= /round !ffunE /below ffunE; move: (small i); case: (x i) => [|[]].
have one := counts (fun i : bool => i) (ltac:(by case)) (ltac:(by exists true)).
have other := counts (fun i : bool => ~~ i) (ltac:(by case)) (ltac:(by exists false)).
by have /ffunP/(_ true) := claim _ _ _ _ _ _ _ _ one other; rewrite !ffunE.
Qed.
