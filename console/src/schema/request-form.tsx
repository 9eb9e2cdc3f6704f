// The form of an operation: its parameters, its body as fields or as JSON, and the request that they make.

import { useId, useMemo, useState } from "preact/hooks";

import { json } from "../parts/text.ts";
import type { Request } from "../service/client.ts";
import { exampleOf, type Document, type Operation, type Parameter } from "../service/openapi.ts";
import type { Json } from "../service/types.ts";
import { Field } from "./fields.tsx";
import { initial, isObject, type Fields } from "./schema-kinds.ts";

export interface RequestForm {
  operation: Operation;
  parameters: Fields;
  setParameters: (value: Fields) => void;
  body: Json | undefined;
  setBody: (value: Json | undefined) => void;
  /** The body as text, if it is edited or sent so. */
  text: string | undefined;
  setText: (text: string | undefined) => void;
  mediaType: string | undefined;
  request: () => Request;
}

/** What the service sets itself, or what the console does. */
const OWN_HEADERS = ["accept", "authorization", "content-type"];

export function useRequestForm(document: Document, operation: Operation): RequestForm {
  const [mediaType, media] = Object.entries(operation.body?.content ?? {})[0] ?? [];
  const isJson = mediaType === undefined || mediaType === "application/json" || mediaType.endsWith("+json");
  const first = useMemo(() => {
    const body = media && isJson ? exampleOf(document, media) ?? (media.schema && initial(document, media.schema)) : undefined;
    const example = media && exampleOf(document, media);
    const text = media && !isJson ? encoded(mediaType, example) : undefined;
    const parameters = operation.parameters.filter(({ required }) => required).flatMap((parameter) => {
      const value = exampleOf(document, parameter) ?? (parameter.schema && initial(document, parameter.schema));
      return value === undefined || value === null ? [] : [[parameter.name, value]];
    });
    return { body, text, parameters: Object.fromEntries(parameters) as Fields };
  }, [document, operation]);
  const [parameters, setParameters] = useState<Fields>(first.parameters);
  const [body, setBody] = useState<Json | undefined>(first.body);
  const [text, setText] = useState<string | undefined>(first.text);
  const request = (): Request => {
    const accept = operation.streams && !operation.answers.some(([, { content }]) => content?.["application/json"])
      ? "text/event-stream" : "application/json";
    const made = withParameters(operation, parameters);
    made.headers["accept"] = accept;
    const sent = text ?? (body === undefined ? undefined : JSON.stringify(body));
    if (mediaType && sent !== undefined) {
      made.headers["content-type"] = mediaType;
      made.body = sent;
    }
    return made;
  };
  return { operation, parameters, setParameters, body, setBody, text, setText, mediaType, request };
}

function encoded(mediaType: string, example: Json | undefined): string {
  if (mediaType !== "application/x-www-form-urlencoded" || !isObject(example)) return example === undefined ? "" : json(example);
  return new URLSearchParams(Object.entries(example).map(([name, value]) => [name, String(value)])).toString();
}

function withParameters(operation: Operation, values: Fields): Request {
  const headers: Record<string, string> = {};
  const query = new URLSearchParams();
  let path = operation.path;
  for (const { name, in: place } of operation.parameters) {
    const value = values[name];
    if (value === undefined || value === null) continue;
    const texts = (Array.isArray(value) ? value : [value]).map((one) => (typeof one === "string" ? one : JSON.stringify(one)));
    if (place === "path") path = path.replaceAll(`{${name}}`, texts.map(encodeURIComponent).join(","));
    else if (place === "query") texts.forEach((text) => query.append(name, text));
    else if (place === "header") headers[name.toLowerCase()] = texts.join(",");
  }
  const search = query.toString();
  return { method: operation.method, path: search ? `${path}?${search}` : path, headers };
}

export function RequestFields({ document, form, errors }: { document: Document; form: RequestForm; errors: Map<string, string> }) {
  const { operation, parameters, setParameters } = form;
  const [, media] = Object.entries(operation.body?.content ?? {})[0] ?? [];
  const shown = operation.parameters.filter(({ name, in: place }) => place !== "cookie" && !OWN_HEADERS.includes(name.toLowerCase()));
  const field = (parameter: Parameter) => (
    <ParameterField key={`${parameter.in} ${parameter.name}`} document={document} parameter={parameter} errors={errors}
      value={parameters[parameter.name]}
      set={(value) => {
        const { [parameter.name]: _, ...others } = parameters;
        setParameters(value === undefined ? others : { ...others, [parameter.name]: value });
      }} />
  );
  // Headers that may be left out are seldom what somebody came for.
  const isAside = (parameter: Parameter): boolean => parameter.in === "header" && !parameter.required;
  const aside = shown.filter(isAside);
  return (
    <>
      {shown.filter((parameter) => !isAside(parameter)).map(field)}
      {media && <BodyFields document={document} form={form} errors={errors} />}
      {aside.length > 0 && <details class="further"><summary>Further headers</summary>{aside.map(field)}</details>}
      {shown.length === 0 && !media && <p class="soft">This operation takes nothing.</p>}
    </>
  );
}

function ParameterField({ document, parameter, value, set, errors }: {
  document: Document;
  parameter: Parameter;
  value: Json | undefined;
  set: (value: Json | undefined) => void;
  errors: Map<string, string>;
}) {
  const schema = { ...(parameter.schema ?? { type: "string" }) };
  if (parameter.description !== undefined) schema.description = parameter.description;
  return <Field document={document} schema={schema} value={value} set={set} label={`${parameter.name} (${parameter.in})`}
    required={parameter.required ?? false} pointer={`/${parameter.name}`} errors={errors} />;
}

function BodyFields({ document, form, errors }: { document: Document; form: RequestForm; errors: Map<string, string> }) {
  const id = useId();
  const [wrong, setWrong] = useState("");
  const { operation, body, setBody, text, setText, mediaType } = form;
  const [, media] = Object.entries(operation.body?.content ?? {})[0] ?? [];
  const isJson = mediaType === "application/json" || mediaType?.endsWith("+json");
  const asFields = (): void => {
    try {
      setBody(text?.trim() ? (JSON.parse(text) as Json) : undefined);
      setText(undefined);
      setWrong("");
    } catch (error) {
      setWrong(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <div class="body-fields">
      {isJson && (
        <label class="switch">
          <input type="checkbox" checked={text !== undefined}
            onChange={(event) => (event.currentTarget.checked ? setText(json(body ?? {})) : asFields())} />
          Body as JSON
        </label>
      )}
      {wrong && <p class="error" role="alert">This is not JSON: {wrong}</p>}
      {text === undefined && media?.schema
        ? <Field document={document} schema={media.schema} value={body} set={setBody} label="Body" required={operation.body?.required ?? false}
            pointer="" errors={errors} />
        : (
          <div class="field">
            <label for={id}>Body ({mediaType})</label>
            <textarea id={id} class="json" rows={12} spellcheck={false} value={text ?? ""} onInput={(event) => setText(event.currentTarget.value)} />
          </div>
        )}
    </div>
  );
}
