(* A reader of JSON as Python's json module reads it, but for what no certificate holds: NaN and infinities, repeated
   keys, deep nesting, whole numbers of more than 30 bits. Whatever is wrong is Malformed, and nothing else is raised. *)
type t = Null | Bool of bool | Number of string | String of string | List of t list | Object of (string * t) list

exception Malformed of string
let malformed form = Printf.ksprintf (fun s -> raise (Malformed s)) form

let deepest = 200
let largest = 1 lsl 30  (* products of two fit into OCaml's 63 bits *)

(* A whole number as JSON writes it: int_of_string also takes 0x1f and 1_000. *)
let whole s =
  let digits = if s <> "" && s.[0] = '-' then String.sub s 1 (String.length s - 1) else s in
  let decimal = digits <> "" && String.for_all (fun c -> c >= '0' && c <= '9') digits in
  match if decimal then int_of_string_opt s else None with
  | Some n when abs n <= largest -> n
  | _ -> malformed "%s is no whole number of 30 bits" (if String.length s > 40 then String.sub s 0 40 ^ "..." else s)

let parse (s : string) : t =
  let at = ref 0 in
  let fail what = malformed "%s at byte %d" what !at in
  let more () = !at < String.length s in
  let peek () = if more () then s.[!at] else '\000' in
  let rec blank () = match peek () with ' ' | '\n' | '\t' | '\r' -> incr at; blank () | _ -> () in
  let expect c = if peek () = c then incr at else fail (Printf.sprintf "expected %c" c) in
  let hex () =
    let found = ref 0 in
    for _ = 1 to 4 do
      (match peek () with
       | '0'..'9' as c -> found := 16 * !found + Char.code c - Char.code '0'
       | 'a'..'f' as c -> found := 16 * !found + Char.code c - Char.code 'a' + 10
       | 'A'..'F' as c -> found := 16 * !found + Char.code c - Char.code 'A' + 10
       | _ -> fail "an escape without four digits");
      incr at
    done;
    !found in
  let unicode () =
    let high = hex () in
    let code = if high land 0xfc00 <> 0xd800 then high else begin
        expect '\\'; expect 'u';
        let low = hex () in
        if low land 0xfc00 <> 0xdc00 then fail "half a surrogate pair";
        0x10000 + ((high land 0x3ff) lsl 10) + (low land 0x3ff)
      end in
    if Uchar.is_valid code then Uchar.of_int code else fail "half a surrogate pair" in
  let text () =
    expect '"';
    let found = Buffer.create 16 in
    let rec go () =
      if not (more ()) then fail "an open string";
      match peek () with
      | '"' -> incr at
      | '\\' ->
        incr at;
        let c = peek () in
        incr at;
        (match c with
         | '"' | '\\' | '/' -> Buffer.add_char found c
         | 'b' -> Buffer.add_char found '\b'
         | 'f' -> Buffer.add_char found '\012'
         | 'n' -> Buffer.add_char found '\n'
         | 'r' -> Buffer.add_char found '\r'
         | 't' -> Buffer.add_char found '\t'
         | 'u' -> Buffer.add_utf_8_uchar found (unicode ())
         | _ -> fail "an unknown escape");
        go ()
      | c when c < ' ' -> fail "a control character in a string"
      | c -> Buffer.add_char found c; incr at; go () in
    go (); Buffer.contents found in
  let digits () =
    let start = !at in
    while (match peek () with '0'..'9' -> true | _ -> false) do incr at done;
    if !at = start then fail "no digits" in
  let number () =
    let start = !at in
    if peek () = '-' then incr at;
    if peek () = '0' then incr at else digits ();
    if peek () = '.' then (incr at; digits ());
    (match peek () with
     | 'e' | 'E' -> incr at; (match peek () with '+' | '-' -> incr at | _ -> ()); digits ()
     | _ -> ());
    Number (String.sub s start (!at - start)) in
  let word name value =
    let n = String.length name in
    if !at + n <= String.length s && String.sub s !at n = name then (at := !at + n; value) else fail "no value" in
  let rec value depth =
    if depth > deepest then fail "nested too deeply";
    blank ();
    let found = match peek () with
      | '"' -> String (text ())
      | '[' -> incr at; List (items ']' (fun () -> value (depth + 1)))
      | '{' -> incr at; Object (members depth)
      | 'n' -> word "null" Null
      | 't' -> word "true" (Bool true)
      | 'f' -> word "false" (Bool false)
      | '-' | '0'..'9' -> number ()
      | _ -> fail "no value" in
    blank (); found
  and members depth =
    let seen = Hashtbl.create 8 in
    items '}' (fun () ->
        blank ();
        let key = text () in
        if Hashtbl.mem seen key then fail (Printf.sprintf "the key %s for the second time" key);
        Hashtbl.add seen key ();
        blank (); expect ':';
        (key, value (depth + 1)))
  and items : 'a. char -> (unit -> 'a) -> 'a list = fun close item ->
    blank ();
    if more () && peek () = close then (incr at; []) else
    let rec go found =
      let found = item () :: found in
      blank ();
      if peek () = ',' then (incr at; go found) else (expect close; List.rev found) in
    go [] in
  let found = value 0 in
  if more () then fail "more text" else found

let field name = function
  | Object fields -> (try List.assoc name fields with Not_found -> malformed "there is no %s" name)
  | _ -> malformed "no object that could have %s" name
let has name = function Object fields -> List.mem_assoc name fields | _ -> false
let list = function List l -> l | _ -> malformed "not a list"
let string = function String s -> s | _ -> malformed "not a string"
let flag = function Bool b -> b | _ -> malformed "neither true nor false"
let int = function Number n -> whole n | _ -> malformed "not a number"
let option read = function Null -> None | v -> Some (read v)
let pair what v = match list v with [a; b] -> (a, b) | _ -> malformed "%s that is no pair" what
