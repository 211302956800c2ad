(* A reader of JSON, with Infinity and NaN, which Python writes; strings keep their escapes but for quotes. *)
type t = Null | Bool of bool | Number of string | String of string | List of t list | Object of (string * t) list

exception Malformed of string

let parse (s : string) : t =
  let at = ref 0 in
  let fail what = raise (Malformed (Printf.sprintf "%s at byte %d" what !at)) in
  let peek () = if !at < String.length s then s.[!at] else '\000' in
  let rec blank () = match peek () with ' ' | '\n' | '\t' | '\r' -> incr at; blank () | _ -> () in
  let expect c = if peek () = c then incr at else fail (Printf.sprintf "expected %c" c) in
  let text () =
    expect '"';
    let found = Buffer.create 16 in
    let rec go () = match peek () with
      | '"' -> incr at
      | '\\' ->
        incr at;
        let c = peek () in
        if c <> '"' && c <> '\\' && c <> '/' then Buffer.add_char found '\\';
        Buffer.add_char found c; incr at; go ()
      | '\000' -> fail "an open string"
      | c -> Buffer.add_char found c; incr at; go () in
    go (); Buffer.contents found in
  let word () =
    let start = !at in
    let rec go () = match peek () with '0'..'9' | 'a'..'z' | 'A'..'Z' | '+' | '-' | '.' -> incr at; go () | _ -> () in
    go ();
    match String.sub s start (!at - start) with
    | "null" -> Null | "true" -> Bool true | "false" -> Bool false | "" -> fail "no value" | number -> Number number in
  let rec value () =
    blank ();
    let found = match peek () with
      | '"' -> String (text ())
      | '[' -> incr at; List (items ']' value)
      | '{' -> incr at; Object (items '}' (fun () -> blank (); let key = text () in blank (); expect ':'; (key, value ())))
      | _ -> word () in
    blank (); found
  and items : 'a. char -> (unit -> 'a) -> 'a list = fun close item ->
    blank ();
    if peek () = close then (incr at; []) else
    let rec go found =
      let found = item () :: found in
      blank ();
      if peek () = ',' then (incr at; go found) else (expect close; List.rev found) in
    go [] in
  let found = value () in
  if !at < String.length s then fail "more text" else found

let field name = function
  | Object fields -> (try List.assoc name fields with Not_found -> raise (Malformed ("there is no " ^ name)))
  | _ -> raise (Malformed ("no object that could have " ^ name))
let has name = function Object fields -> List.mem_assoc name fields | _ -> false
let list = function List l -> l | _ -> raise (Malformed "not a list")
let string = function String s -> s | _ -> raise (Malformed "not a string")
let int = function
  | Number n -> (try int_of_string n with Failure _ -> raise (Malformed (n ^ " is no whole number")))
  | _ -> raise (Malformed "not a number")
let option read = function Null -> None | v -> Some (read v)
