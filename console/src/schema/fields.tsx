// A form for a value of any JSON Schema. A field that is left empty and is not required is left out of the value.

import type { ComponentChildren } from "preact";
import { useId, useState } from "preact/hooks";

import { json } from "../parts/text.ts";
import type { Document, Schema } from "../service/openapi.ts";
import type { Json } from "../service/types.ts";
import { fits, flatten, initial, isObject, rules, variantName, type Fields, type Flat } from "./schema-kinds.ts";

export interface FieldProps {
  document: Document;
  schema: Schema;
  /** Undefined: left out. */
  value: Json | undefined;
  set: (value: Json | undefined) => void;
  label: string;
  required: boolean;
  /** JSON Pointer of the value in the request. */
  pointer: string;
  /** What the service said was wrong, by JSON Pointer. */
  errors: Map<string, string>;
}

const escaped = (key: string): string => key.replaceAll("~", "~0").replaceAll("/", "~1");

export function Field(props: FieldProps) {
  const flat = flatten(props.document, props.schema);
  const id = useId();
  const error = props.errors.get(props.pointer);
  const isNull = props.value === null;
  const isGroup = ["object", "array", "union"].includes(flat.kind);
  const hints = rules(flat.schema);
  const toldBy = [flat.schema.description || hints.length ? `${id}-hint` : "", error ? `${id}-error` : ""].filter(Boolean).join(" ");
  const about = (
    <>
      {(flat.schema.description || hints.length > 0) && (
        <p class="hint" id={`${id}-hint`}>{flat.schema.description}{hints.map((hint) => <span key={hint} class="rule">{hint}</span>)}</p>
      )}
      {error && <p class="error" id={`${id}-error`}>{error}</p>}
    </>
  );
  const nullSwitch = flat.nullable && flat.kind !== "null" && (
    <label class="null">
      <input type="checkbox" checked={isNull} aria-label={`${props.label} is null`}
        onChange={(event) => props.set(event.currentTarget.checked ? null : props.required ? initial(props.document, notNull(flat)) : undefined)} />
      null
    </label>
  );
  const name = <>{props.label}{props.required && <span class="required"> required</span>}</>;
  if (!isGroup) {
    return (
      <div class="field">
        <div class="label-line"><label for={id}>{name}</label>{nullSwitch}</div>
        {about}
        {isNull && flat.kind !== "null" ? <input id={id} disabled value="null" /> : <Control {...props} flat={flat} id={id} toldBy={toldBy} />}
      </div>
    );
  }
  const isLeftOut = props.value === undefined && !props.required;
  return (
    <fieldset class="field group" aria-describedby={toldBy || undefined}>
      <legend>{name}</legend>
      {about}
      {nullSwitch}
      {isLeftOut
        ? <button type="button" class="quiet" aria-label={`Add ${props.label}`} onClick={() => props.set(start(props.document, flat))}>Add</button>
        : !isNull && <Group {...props} flat={flat} />}
      {!isLeftOut && !props.required && (
        <button type="button" class="quiet" aria-label={`Leave out ${props.label}`} onClick={() => props.set(undefined)}>Leave out</button>
      )}
    </fieldset>
  );
}

const notNull = (flat: Flat): Schema => ({ ...flat.schema, nullable: false, type: [flat.schema.type ?? []].flat().filter((type) => type !== "null") });

/** What a group begins with when it is added. */
function start(document: Document, flat: Flat): Json | undefined {
  const value = initial(document, notNull(flat));
  return value ?? (flat.kind === "array" ? [] : flat.kind === "object" ? {} : undefined);
}

interface ControlProps extends FieldProps {
  flat: Flat;
  id: string;
  toldBy: string;
}

/** One control for a value that has no parts. */
function Control({ flat, value, set, required, id, toldBy, errors, pointer }: ControlProps) {
  const { schema, kind } = flat;
  const told = { id, "aria-describedby": toldBy || undefined, "aria-invalid": errors.has(pointer), "aria-required": required };
  const put = (text: string): void => set(text === "" && !required ? undefined : text);
  switch (kind) {
    case "const":
      return <input {...told} readOnly value={JSON.stringify(schema.const)} />;
    case "null":
      return <input {...told} readOnly value="null" />;
    case "enum": case "boolean": {
      const choices = kind === "boolean" ? [true, false] : (schema.enum ?? []).filter((choice) => choice !== null);
      const at = choices.findIndex((choice) => choice === value);
      return (
        <select {...told} value={String(at)} onChange={(event) => set(choices[Number(event.currentTarget.value)])}>
          {(!required || at < 0) && <option value="-1">{required ? "choose" : "left out"}</option>}
          {choices.map((choice, n) => <option key={n} value={String(n)}>{typeof choice === "string" ? choice : JSON.stringify(choice)}</option>)}
        </select>
      );
    }
    case "number": case "integer":
      return (
        <input {...told} type="number" step={kind === "integer" ? "1" : "any"} inputMode={kind === "integer" ? "numeric" : "decimal"}
          value={typeof value === "number" ? String(value) : ""}
          onInput={(event) => set(event.currentTarget.value === "" ? undefined : Number(event.currentTarget.value))} />
      );
    case "string": {
      const text = typeof value === "string" ? value : "";
      if (schema.format === "date") return <input {...told} type="date" value={text} onInput={(event) => put(event.currentTarget.value)} />;
      if (schema.format === "date-time") {
        return <input {...told} type="datetime-local" step="1" value={local(text)} onInput={(event) => put(utc(event.currentTarget.value))} />;
      }
      const isShort = schema.format !== undefined || schema.pattern !== undefined || (schema.maxLength ?? Infinity) <= 128;
      return isShort
        ? <input {...told} type="text" spellcheck={false} value={text} onInput={(event) => put(event.currentTarget.value)} />
        : <textarea {...told} rows={Math.min(12, Math.max(2, text.split("\n").length))} value={text} onInput={(event) => put(event.currentTarget.value)} />;
    }
    default:
      return <JsonText {...told} value={value} set={set} />;
  }
}

/** A moment (RFC 3339) as an input of the browser has it, in local time without an offset; and back. */
function local(text: string): string {
  const time = Date.parse(text);
  if (Number.isNaN(time)) return "";
  return new Date(time - new Date(time).getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

function utc(text: string): string {
  const time = Date.parse(text);
  return Number.isNaN(time) ? "" : new Date(time).toISOString().replace(".000Z", "Z");
}

/** A value as JSON text. Text that is no JSON changes nothing but the message below it. */
export function JsonText({ value, set, rows = 4, ...told }: {
  value: Json | undefined;
  set: (value: Json | undefined) => void;
  rows?: number;
  id: string;
  "aria-describedby"?: string | undefined;
}) {
  const [text, setText] = useState(() => (value === undefined ? "" : json(value)));
  const [wrong, setWrong] = useState("");
  const read = (next: string): void => {
    setText(next);
    try {
      set(next.trim() === "" ? undefined : (JSON.parse(next) as Json));
      setWrong("");
    } catch (error) {
      setWrong(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <>
      <textarea {...told} class="json" rows={rows} spellcheck={false} value={text} aria-invalid={wrong !== ""} onInput={(event) => read(event.currentTarget.value)} />
      {wrong && <p class="error" role="status">This is not JSON: {wrong}</p>}
    </>
  );
}

function Group(props: FieldProps & { flat: Flat }) {
  switch (props.flat.kind) {
    case "array": return <Entries {...props} />;
    case "union": return <Union {...props} />;
    default: return <Members {...props} />;
  }
}

function Entries({ document, flat, value, set, label, pointer, errors }: FieldProps & { flat: Flat }) {
  const entries = Array.isArray(value) ? value : [];
  const items = typeof flat.schema.items === "object" ? flat.schema.items : {};
  const itemOf = (n: number): Schema => flat.schema.prefixItems?.[n] ?? items;
  return (
    <>
      {entries.map((entry, n) => (
        <Removable key={n} what={`${label} ${n + 1}`} remove={() => set(entries.filter((_, other) => other !== n))}>
          <Field document={document} schema={itemOf(n)} value={entry} label={`${label} ${n + 1}`} required
            pointer={`${pointer}/${n}`} errors={errors}
            set={(next) => set(entries.map((other, at) => (at === n ? next ?? null : other)))} />
        </Removable>
      ))}
      <button type="button" class="quiet" disabled={entries.length >= (flat.schema.maxItems ?? Infinity)}
        aria-label={`Add an entry to ${label}`}
        onClick={() => set([...entries, initial(document, itemOf(entries.length)) ?? null])}>Add an entry</button>
    </>
  );
}

function Removable({ what, remove, children }: { what: string; remove: () => void; children: ComponentChildren }) {
  return (
    <div class="removable">
      {children}
      <button type="button" class="quiet" aria-label={`Remove ${what}`} onClick={remove}>Remove</button>
    </div>
  );
}

function Union({ document, flat, value, set, label, pointer, errors }: FieldProps & { flat: Flat }) {
  const fitting = flat.variants.findIndex((variant) => fits(document, variant, value));
  const [chosen, setChosen] = useState(Math.max(0, fitting));
  const variant = flat.variants[chosen];
  const id = useId();
  return (
    <>
      <div class="field">
        <label for={id}>Kind of {label}</label>
        <select id={id} value={String(chosen)} onChange={(event) => {
          const next = Number(event.currentTarget.value);
          setChosen(next);
          const schema = flat.variants[next];
          set(schema && initial(document, schema));
        }}>
          {flat.variants.map((choice, n) => <option key={n} value={String(n)}>{variantName(document, choice, n)}</option>)}
        </select>
      </div>
      {variant && (
        <Field key={chosen} document={document} schema={variant} value={value} set={set} label={variantName(document, variant, chosen)}
          required pointer={pointer} errors={errors} />
      )}
    </>
  );
}

function Members({ document, flat, value, set, label, pointer, errors }: FieldProps & { flat: Flat }) {
  const fields: Fields = isObject(value) ? value : {};
  const { properties = {}, required = [], additionalProperties } = flat.schema;
  const put = (name: string, next: Json | undefined): void => {
    const { [name]: _, ...others } = fields;
    set(next === undefined ? others : name in fields ? { ...fields, [name]: next } : { ...others, [name]: next });
  };
  const further = Object.keys(fields).filter((name) => !(name in properties));
  const isOpen = additionalProperties === true || typeof additionalProperties === "object" || !flat.schema.properties;
  return (
    <>
      {Object.entries(properties).filter(([, property]) => !property.readOnly).map(([name, property]) => (
        <Field key={name} document={document} schema={property} value={fields[name]} set={(next) => put(name, next)} label={name}
          required={required.includes(name)} pointer={`${pointer}/${escaped(name)}`} errors={errors} />
      ))}
      {further.map((name) => (
        <Removable key={name} what={name} remove={() => put(name, undefined)}>
          <Field document={document} schema={typeof additionalProperties === "object" ? additionalProperties : {}} value={fields[name]}
            set={(next) => put(name, next ?? null)} label={name} required pointer={`${pointer}/${escaped(name)}`} errors={errors} />
        </Removable>
      ))}
      {isOpen && (
        <NewMember label={label} isTaken={(name) => name in fields || name in properties}
          add={(name) => put(name, initial(document, typeof additionalProperties === "object" ? additionalProperties : {}) ?? null)} />
      )}
    </>
  );
}

function NewMember({ label, isTaken, add }: { label: string; isTaken: (name: string) => boolean; add: (name: string) => void }) {
  const [name, setName] = useState("");
  const id = useId();
  const isUsable = name !== "" && !isTaken(name);
  return (
    <div class="field new-member">
      <label for={id}>Another member of {label}</label>
      <div class="row">
        <input id={id} spellcheck={false} value={name} onInput={(event) => setName(event.currentTarget.value)} />
        <button type="button" class="quiet" disabled={!isUsable} onClick={() => { add(name); setName(""); }}>Add</button>
      </div>
    </div>
  );
}
