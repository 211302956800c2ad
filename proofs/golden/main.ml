(* Reads requests from stdin, one a line, as integers; answers each with one line of JSON. Only reading and printing:
   what is computed is in reference.ml, extracted from proofs/coq/Extraction.v.

     0  axis                                          the window of that axis
     1  rank axis .. axis ci co w b x dy              a convolution and its deltas, each list with its length before it

   where an axis is either  0 padding length taps stride dilation  with a number from `named`, or
   1 boundary lo hi length taps stride dilation. *)
open Reference

let boundaries = [| ZERO; CIRCULAR; REFLECT; SYMMETRIC; EDGE |]
let names = [| "ZERO"; "CIRCULAR"; "REFLECT"; "SYMMETRIC"; "EDGE" |]
let named =
  [| VALID; SAME; SAME_LOWER; CAUSAL; CENTRED CIRCULAR; CENTRED REFLECT; CENTRED SYMMETRIC; CENTRED EDGE |]

let int () = Scanf.scanf " %d" Fun.id
let rec times n f = if n = 0 then [] else let first = f () in first :: times (n - 1) f
let ints () = times (int ()) int

let sizes make =
  let length = int () in let taps = int () in let stride = int () in let dilation = int () in
  make length taps stride dilation

let axis () =
  if int () = 0 then let p = named.(int ()) in sizes (made p)
  else
    let bound = boundaries.(int ()) in let lo = int () in let hi = int () in
    sizes (fun length taps stride dilation -> { length; taps; stride; dilation; padded_by = { lo; hi; bound } })

let list f l = "[" ^ String.concat ", " (List.map f l) ^ "]"
let cell = function Some m -> string_of_int m | None -> "null"
let number b = let rec find i = if boundaries.(i) = b then i else find (i + 1) in find 0
let pad p = Printf.sprintf "[%d, %d, \"%s\"]" p.lo p.hi names.(number p.bound)

let answer = function
  | 0 ->
    let padding, reads = window (axis ()) in
    Printf.printf "[%s, %s]\n" (pad padding) (list (list cell) reads)
  | _ ->
    let axes = times (int ()) axis in
    let ci = int () in let co = int () in
    let w = ints () in let b = ints () in let x = ints () in let dy = ints () in
    let ((y, dw), db), dx = run axes ci co w b x dy in
    print_endline (list (list string_of_int) [ y; dw; db; dx ])

let () = try while true do answer (int ()) done with End_of_file | Scanf.Scan_failure _ -> ()
