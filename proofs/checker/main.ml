(* Reads a certificate, as jc.certify(...).to_json() writes it, and the program that its function is (translate.py), and
   says of each claim whether the verified checker (certifier.ml, extracted from proofs/coq) accepts it. Not verified:
   this file reads numbers into the checker's types and lines rows up with equations; it accepts nothing by itself. *)
open Certifier

(* Whole numbers and the checker's. *)
let rec positive n = if n = 1 then XH else if n land 1 = 1 then XI (positive (n lsr 1)) else XO (positive (n lsr 1))
let z n = if n = 0 then Z0 else if n > 0 then Zpos (positive n) else Zneg (positive (-n))
let nat n =
  let rec go found n = if n = 0 then found else go (S found) (n - 1) in
  if n < 0 || n > 1 lsl 24 then Json.malformed "%d, a number of an axis or of a value" n else go O n
let zs v = List.map (fun n -> z (Json.int n)) (Json.list v)

exception Rejected of string
exception Unknown of string
let reject form = Printf.ksprintf (fun s -> raise (Rejected s)) form

(* * The program *)

let instruction v =
  let open Json in
  match list v with
  | [String "const"; sizes] ->
    Const (List.map (fun p -> let n, p = pair "a constant's size" p in (z (int n), z (int p))) (list sizes))
  | [String "map"; xs] -> Map (List.map (fun x -> nat (int x)) (list xs))
  | [String "reindex"; x; places; sizes] ->
    Reindex (nat (int x), List.map (option (fun b -> nat (int b))) (list places), zs sizes)
  | [String "slice"; x; a; l; start; stride; count] ->
    Slice (nat (int x), nat (int a), z (int l), z (int start), z (int stride), z (int count))
  | [String "pad"; x; c; a; l; before; apart; total] ->
    Pad (nat (int x), nat (int c), nat (int a), z (int l), z (int before), z (int apart), z (int total))
  | [String "unfold"; x; c; a; l; start; stride; dilation; taps; count; by_taps] ->
    Unfold (nat (int x), nat (int c), nat (int a), z (int l), z (int start), z (int stride), z (int dilation),
            z (int taps), z (int count), flag by_taps)
  | [String "along"; x; a; l; count; commutes] ->
    Along (nat (int x), nat (int a), z (int l), z (int count), flag commutes)
  | [String "weigh"; x; a; l; columns; apart; by] ->
    let cell c = let place, weight = pair "a weight" c in (z (int place), z (int weight)) in
    Weigh (nat (int x), nat (int a), z (int l), List.map (fun c -> List.map cell (list c)) (list columns),
           z (int apart), z (int by))
  | [String "recut"; x; a; c; c'] -> Recut (nat (int x), nat (int a), z (int c), z (int c'))
  | [String "cat"; x; y; a; la; lb] -> Cat (nat (int x), nat (int y), nat (int a), z (int la), z (int lb))
  | [String "opaque"; String _; xs; sizes] ->
    let operand p = let x, sizes = pair "an operand" p in (nat (int x), zs sizes) in
    Opaque (List.map operand (list xs), zs sizes)
  | String name :: _ -> raise (Unknown name)
  | _ -> malformed "an instruction without a name"

(* The values that an instruction reads, for messages. *)
let operands v =
  let open Json in
  match list v with
  | [String "const"; _] -> []
  | [String "map"; xs] -> List.map int (list xs)
  | String ("pad" | "unfold" | "cat") :: x :: y :: _ -> [int x; int y]
  | [String "opaque"; _; xs; _] -> List.map (fun p -> int (fst (pair "an operand" p))) (list xs)
  | String _ :: x :: _ -> [int x]
  | _ -> []

(* * States of rows, for shifts of the scene by the row's own shift *)

let fraction v = match String.split_on_char '/' (Json.string v) with
  | [n] -> (Json.whole n, 1)
  | [n; d] when Json.whole d > 0 -> (Json.whole n, Json.whole d)
  | _ -> Json.malformed "%s, which is no fraction" (Json.string v)
let quotient what a b =
  if b = 0 || a mod b <> 0 then reject "%s: %d is no multiple of %d" what a b else a / b

let factor cycle shift v =
  let open Json in
  let length = int (field "length" v) in
  let make step per lo hi = { len = z length; step = z step; per = z per; lo = z lo; hi = z hi; org = Z0 } in
  match field "motion" v with
  | Null -> make 0 (Option.value (option int (field "period" v)) ~default:0) 0 length
  | carry ->
    let n, d = fraction (field "rate" carry) in
    if int (field "turns" carry) <> 1 then reject "a signal that turns around more than once";
    let step = quotient "a step" (shift * d) n in
    let per = match cycle with None -> 0 | Some cells -> quotient "a period" (cells * d) (abs n) in
    make step per (int (field "lo" carry)) (int (field "hi" carry))

(* A value as pieces is also a value by itself, of which its row may say something: that alone is looked at. *)
type row_state = Says of int * state | Nothing | Spectrum
let rec row_state cycle v =
  let open Json in
  if has "culprit" v then Nothing
  else if has "modes" v then Spectrum
  else if has "folded" v then row_state cycle (field "value" v)
  else
    let shift = int (field "shift" v) in
    if shift < 1 then reject "a state of shifts by %d" shift;
    if option int (field "cycle" v) <> cycle then reject "a state of another walk";
    Says (shift, List.map (fun axis -> List.map (factor cycle shift) (list axis)) (list (field "axes" v)))

(* * One walk: the program's states for shifts by some number of cells *)

type program = { inputs : (int * Json.t) list; code : Json.t array; instrs : instr list; equations : Json.t list; outputs : int list }

let read_program v =
  let open Json in
  let code = list (field "instructions" v) in
  { inputs = List.map (fun i -> (int (field "argument" i), field "lengths" i)) (list (field "inputs" v));
    code = Array.of_list code; instrs = List.map instruction code;
    equations = list (field "equations" v); outputs = List.map int (list (field "outputs" v)) }

let entries program shifted =
  List.map (fun (argument, lengths) ->
      { lengths = zs lengths; shifted = Option.map (fun a -> nat a) (List.assoc_opt argument shifted) }) program.inputs

(* What stopped a value's derivation: the first instruction that is not known, of those that it is made of. *)
let unknown program states value =
  let first = List.length program.inputs in
  let seen = Hashtbl.create 16 in
  let rec look x =
    if Hashtbl.mem seen x || x < first || x >= Array.length states || states.(x) <> None then None
    else begin
      Hashtbl.add seen x ();
      let v = program.code.(x - first) in
      match List.find_map look (operands v), Json.list v with
      | Some name, _ -> Some name
      | None, Json.String "opaque" :: Json.String name :: _ -> Some name
      | None, _ -> None
    end in
  look value

let states_of program cyclic cells inputs =
  let known = Hashtbl.create 4 in
  fun shift -> match Hashtbl.find_opt known shift with
    | Some found -> found
    | None ->
      let walk = { cyclic; cells = z cells; shift = z shift } in
      if not (inputs_ok walk inputs) then reject "the arguments have no axis of %d cells that could be shifted by %d" cells shift;
      let found = walk, Array.of_list (states walk inputs program.instrs) in
      Hashtbl.add known shift found; found

let state_of states value =
  if value < 0 || value >= Array.length states then Json.malformed "there is no value %d" value else states.(value)

let refuse program states value what = match unknown program states value with
  | Some name -> raise (Unknown name)
  | None -> reject "%s" what

(* Lines rows up with equations; rows of loops' bodies stand deeper and are passed over, as the loop is one instruction. *)
let check_rows program cycle at rows =
  let open Json in
  let depth_of row = (List.length (list (field "path" row)) - 1) / 2 in
  let confirmed = ref 0 in
  let rec go equations rows = match equations, rows with
    | [], [] -> ()
    | [], row :: _ -> reject "row %d: the function has no equation for it" (int (field "number" row))
    | equation :: _, [] -> reject "the function has %s, and the derivation ends" (string (field "primitive" equation))
    | equation :: equations, row :: rows ->
      let depth = int (field "depth" equation) and name = string (field "primitive" equation) in
      if depth_of row > depth && flag (field "inner" equation) then go (equation :: equations) rows
      else begin
        let number = int (field "number" row) and its = string (field "primitive" row) in
        if its <> name || depth_of row <> depth then
          reject "row %d: the function has %s here, and the derivation %s" number name its;
        let values = list (field "values" equation) and outputs = list (field "outputs" row) in
        if List.length values <> List.length outputs then reject "row %d (%s): its number of results" number name;
        List.iter2 (fun value output ->
            match row_state cycle output with
            | Nothing -> ()
            | Spectrum -> raise (Unknown (Printf.sprintf "%s (row %d is a spectrum)" name number))
            | Says (shift, asserted) ->
              let _, states = at shift in
              if not (confirms (state_of states (int value)) asserted) then
                refuse program states (int value) (Printf.sprintf "row %d (%s): its state does not follow" number name);
              incr confirmed) values outputs;
        go equations rows
      end in
  go program.equations rows;
  !confirmed

let check_claim program inputs cyclic at claim value shape =
  let open Json in
  let shift = int (field "shift" claim) in
  if shift < 1 then reject "shifts by %d" shift;
  let moves = List.map (fun p -> let axis, t = pair "a move" p in (int axis, int t)) (list (field "moves" claim)) in
  let region = List.map (fun p -> match list p with
      | [axis; lo; hi] -> (int axis, (int lo, int hi))
      | _ -> malformed "a region of other than three numbers") (list (field "region" claim)) in
  let axes = List.length shape in
  if List.exists (fun axis -> axis < 0 || axis >= axes) (List.map fst moves @ List.map fst region) then
    reject "it is of an axis that the output does not have";
  if cyclic && region <> [] then reject "a cyclic claim has no regions";
  let along axis length =
    let its list = List.filter_map (fun (a, v) -> if a = axis then Some v else None) list in
    let t = match its moves with [] -> 0 | [t] -> t | _ -> reject "two moves along output axis %d" axis in
    let lo, hi = match its region with
      | [] -> if t <> 0 && not cyclic then reject "no region along output axis %d" axis else (0, length)
      | [within] -> within
      | _ -> reject "two regions along output axis %d" axis in
    if lo < 0 || hi > length || lo > hi then
      reject "the region [%d, %d) is not in output axis %d of %d cells" lo hi axis length;
    { extent = z length; moves = z t; first = z lo; last = z hi } in
  let walk, states = at shift in
  if not (accepts walk inputs program.instrs (nat value) (List.mapi along shape)) then
    refuse program states value "the claim does not follow"

(* Nothing else is raised by what stands above; what is too large for the machine is refused, too. *)
let verdict check = match check () with
  | said -> said
  | exception Rejected why -> "rejected: " ^ why
  | exception Unknown name -> "unknown instruction " ^ name
  | exception Json.Malformed why -> "malformed: " ^ why
  | exception (Stack_overflow | Out_of_memory) -> "malformed: too large"

let check everything leaves derivations leaf shape cells shifted number name claim cyclic =
  let open Json in
  match string (field "verdict" claim) with
  | "UNDECIDED" | "REFUTED" -> "no proof claimed"
  | "PROVED" ->
    let program = read_program (field "program" everything) in
    if List.length program.outputs <> leaves || number >= Array.length derivations then
      reject "the certificate is of other outputs or axes";
    let arguments = List.map fst shifted in
    if List.exists (fun a -> not (List.mem_assoc a program.inputs)) arguments then reject "no such argument";
    if List.length (List.sort_uniq compare arguments) < List.length arguments then reject "an argument is shifted twice";
    let at = states_of program cyclic cells (entries program shifted) in
    let rows = list (field name derivations.(number)) in
    let confirmed = check_rows program (if cyclic then Some cells else None) at rows in
    check_claim program (entries program shifted) cyclic at claim (List.nth program.outputs leaf) shape;
    Printf.sprintf "accepted, %d states confirmed" confirmed
  | other -> malformed "the verdict %s" other

(* A line for each claim. *)
let verdicts everything =
  let open Json in
  let certificate = field "certificate" everything in
  if int (field "format" certificate) <> 4 then malformed "a format other than 4";
  let leaves = list (field "leaves" certificate) in
  let derivations = Array.of_list (list (field "derivations" certificate)) in
  let of_axis leaf shape number axis =
    let shifted = List.map (fun p -> let a, b = pair "what is shifted" p in (int a, int b)) (list (field "shifted" axis)) in
    let cells = int (field "length" axis) in
    List.map (fun (name, cyclic) ->
        let said = verdict (fun () ->
            check everything (List.length leaves) derivations leaf shape cells shifted number name
              (field name (field "claims" axis)) cyclic) in
        Printf.sprintf "output %d, axis %d, %s: %s\n" leaf number name said) ["cyclic", true; "interior", false] in
  let of_leaf leaf report =
    let shape = List.map int (list (field "shape" report)) in
    List.concat (List.mapi (of_axis leaf shape) (list (field "axes" report))) in
  String.concat "" (List.concat (List.mapi of_leaf leaves))

let read path =
  let channel = open_in_bin path in
  Fun.protect ~finally:(fun () -> close_in channel) (fun () -> really_input_string channel (in_channel_length channel))

let () =
  let refuse why = Printf.printf "malformed: %s\n" why; exit 2 in
  match Sys.argv with
  | [| _; path |] ->
    (match verdicts (Json.parse (read path)) with
     | said -> print_string said
     | exception Json.Malformed why -> refuse why
     | exception (Sys_error why | Invalid_argument why) -> refuse why
     | exception End_of_file -> refuse "the file was cut off while it was read"
     | exception (Stack_overflow | Out_of_memory) -> refuse "too large")
  | _ -> prerr_endline "usage: certificate_checker FILE"; exit 2
