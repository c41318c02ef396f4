// @ts-check
// The OpenAPI document in words: operations by group, their forms, and an example of each.

/**
 * A JSON schema as the document writes it.
 * @typedef {{
 *   $ref?: string, type?: string, title?: string, description?: string, anyOf?: Schema[],
 *   enum?: unknown[], const?: unknown, default?: unknown, examples?: unknown[],
 *   items?: Schema, properties?: Record<string, Schema>, required?: string[],
 *   additionalProperties?: boolean | Schema, contentMediaType?: string, format?: string,
 *   minimum?: number, maximum?: number, minLength?: number, maxLength?: number,
 *   minItems?: number, maxItems?: number, exclusiveMinimum?: number,
 * }} Schema
 * @typedef {Record<string, {schema?: Schema}>} Content
 * @typedef {{name: string, in: string, required?: boolean, description?: string, schema: Schema}} Parameter
 * @typedef {{
 *   summary: string, description?: string, operationId: string, tags?: string[],
 *   parameters?: Parameter[], requestBody?: {required?: boolean, content: Content},
 *   responses: Record<string, {description: string, content?: Content}>,
 *   "x-role"?: string | null, "x-reach"?: string, "x-errors": string[],
 * }} Written
 * @typedef {{code: string, status: number, retryable: boolean, retry_after_s: number | null, message: string}} KnownError
 * @typedef {{
 *   paths: Record<string, Record<string, Written>>,
 *   components: {schemas: Record<string, Schema>},
 *   tags: {name: string, description: string}[],
 *   "x-errors": KnownError[],
 * }} OpenApi
 * @typedef {Written & {id: string, method: string, path: string, group: string}} Operation
 * @typedef {{name: string, type: string, required: boolean, about: string, standard: string, inner: Schema | null}} Field
 */

const DEEPEST = 6;
/** What a browser sends by itself, and programs with a key never do. */
const BROWSERS_OWN = "X-CSRF-Token";

/**
 * Every operation, in the order of the groups.
 * @param {OpenApi} document
 * @returns {Operation[]}
 */
export function operationsOf(document) {
  const order = document.tags.map(({ name }) => name);
  const found = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, written]) => {
      const group = written.tags?.[0] ?? "";
      const id = written.operationId;
      return { ...written, id, method: method.toUpperCase(), path, group };
    }),
  );
  return found.sort((one, other) => order.indexOf(one.group) - order.indexOf(other.group));
}

/**
 * Those whose address, words, role or errors hold every word of `text`.
 * @param {Operation[]} operations
 * @param {string} text
 */
export function matching(operations, text) {
  const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
  return operations.filter((one) => {
    const said = [one.method, one.path, one.group, one.summary, one.description, one["x-role"]];
    const all = [...said, ...one["x-errors"]].join("\n").toLowerCase();
    return wanted.every((word) => all.includes(word));
  });
}

/**
 * The schema that a reference names.
 * @param {Schema} schema
 * @param {OpenApi} document
 * @returns {Schema}
 */
export function resolved(schema, document) {
  const name = nameOf(schema);
  return name ? (document.components.schemas[name] ?? {}) : schema;
}

/** @param {Schema} schema */
function nameOf(schema) {
  return schema.$ref?.split("/").at(-1) ?? "";
}

/**
 * What a value may be: "text of at most 200 characters, or null".
 * @param {Schema} schema
 * @returns {string}
 */
export function typeWords(schema) {
  if (schema.$ref) return nameOf(schema);
  if (schema.anyOf) return schema.anyOf.map(typeWords).join(" or ");
  if (schema.enum) return schema.enum.map(String).join(" | ");
  if (schema.const !== undefined) return String(schema.const);
  if (schema.type === "array") return `list of ${typeWords(schema.items ?? {})}${bounds(schema)}`;
  if (schema.type === "object") {
    const inner = schema.additionalProperties;
    return typeof inner === "object" ? `object of ${typeWords(inner)}` : "object";
  }
  if (schema.contentMediaType || schema.format === "binary") return "file";
  return `${schema.type ?? "any value"}${bounds(schema)}`;
}

/** @param {Schema} schema */
function bounds(schema) {
  const { minimum, exclusiveMinimum, maximum, minLength, maxLength, minItems, maxItems } = schema;
  /** @type {[number | undefined, number | undefined, string][]} */
  const pairs = [
    [minimum ?? exclusiveMinimum, maximum, ""],
    [minLength, maxLength, " characters"],
    [minItems, maxItems, " items"],
  ];
  for (const [least, most, unit] of pairs) {
    if (least !== undefined && most !== undefined) return `, ${least} to ${most}${unit}`;
    if (most !== undefined) return `, at most ${most}${unit}`;
    if (least !== undefined) return `, at least ${least}${unit}`;
  }
  return "";
}

/**
 * The fields of an object, or of what a list holds; empty where there are none to tell of.
 * @param {Schema} schema
 * @param {OpenApi} document
 * @returns {Field[]}
 */
export function fieldsOf(schema, document) {
  const { properties = {}, required = [] } = resolved(schema, document);
  return Object.entries(properties).map(([name, inner]) => ({
    name,
    type: typeWords(inner),
    required: required.includes(name),
    about: inner.description ?? "",
    standard: standardOf(inner),
    inner: objectWithin(inner, document),
  }));
}

/**
 * A parameter as a field.
 * @param {Parameter} parameter
 * @returns {Field}
 */
export function parameterField({ name, required = false, description, schema }) {
  const about = description ?? schema.description ?? "";
  const standard = standardOf(schema);
  return { name, type: typeWords(schema), required, about, standard, inner: null };
}

/**
 * The parameters that a program sets.
 * @param {Operation} operation
 */
export function parametersOf(operation) {
  return (operation.parameters ?? []).filter(({ name }) => name !== BROWSERS_OWN);
}

/** @param {Schema} schema */
function standardOf(schema) {
  return schema.default === undefined || schema.default === null
    ? ""
    : JSON.stringify(schema.default);
}

/**
 * The object that a field holds or lists, as its reference; null where it holds a plain value.
 * @param {Schema} schema
 * @param {OpenApi} document
 * @returns {Schema | null}
 */
function objectWithin(schema, document) {
  if (schema.$ref) return resolved(schema, document).properties ? schema : null;
  const within = [...(schema.anyOf ?? []), schema.items, schema.additionalProperties];
  for (const one of within) {
    const found = typeof one === "object" ? objectWithin(one, document) : null;
    if (found) return found;
  }
  return null;
}

/**
 * A value that fits the schema; fields that may be left out are left out where `all` is false.
 * @param {Schema} schema
 * @param {OpenApi} document
 * @param {boolean} all
 * @param {string} [name]
 * @param {number} [depth]
 * @returns {unknown}
 */
export function exampleOf(schema, document, all, name = "", depth = 0) {
  const { examples, default: standard, enum: values, anyOf } = schema;
  if (examples?.length) return examples[0];
  if (schema.const !== undefined) return schema.const;
  if (standard !== undefined && standard !== null) return standard;
  if (values?.length) return values[0];
  if (depth > DEEPEST) return null;
  if (schema.$ref) return exampleOf(resolved(schema, document), document, all, name, depth + 1);
  if (anyOf) {
    const [first = {}] = anyOf.filter(({ type }) => type !== "null");
    return exampleOf(first, document, all, name, depth + 1);
  }
  if (schema.type === "array") {
    return [exampleOf(schema.items ?? {}, document, all, name, depth + 1)];
  }
  return schema.properties
    ? objectExample(schema, document, all, depth)
    : plainExample(schema, name);
}

/**
 * @param {Schema} schema
 * @param {OpenApi} document
 * @param {boolean} all
 * @param {number} depth
 */
function objectExample({ properties = {}, required = [], examples }, document, all, depth) {
  if (examples?.length) return examples[0];
  const kept = Object.entries(properties).filter(([name]) => all || required.includes(name));
  return Object.fromEntries(
    kept.map(([name, inner]) => [name, exampleOf(inner, document, all, name, depth + 1)]),
  );
}

/**
 * @param {Schema} schema
 * @param {string} name
 */
function plainExample({ type, minimum, exclusiveMinimum, minLength = 0 }, name) {
  if (type === "integer" || type === "number") return minimum ?? (exclusiveMinimum ?? 0) + 1;
  if (type === "boolean") return true;
  if (type === "object") return {};
  return type === "null" ? null : name.toUpperCase().padEnd(minLength, "X");
}

/**
 * The schema of a JSON body or response, and the name of its form.
 * @param {Content | undefined} content
 */
export function formOf(content) {
  for (const [media, { schema }] of Object.entries(content ?? {})) {
    if (schema && Object.keys(schema).length > 0) return { media, schema };
  }
  return null;
}

/**
 * A request that works once the words in capitals are filled in.
 * @param {Operation} operation
 * @param {OpenApi} document
 * @param {string} origin
 */
export function curlOf(operation, document, origin) {
  const { method, path } = operation;
  const query = parametersOf(operation)
    .filter((one) => one.in === "query" && one.required)
    .map(({ name, schema }) => `${name}=${exampleOf(schema, document, false, name)}`);
  const address = origin + path.replace(/\{(\w+)\}/g, (_, name) => name.toUpperCase());
  const lines = [`curl ${quoted(address + (query.length ? `?${query.join("&")}` : ""))}`];
  if (method !== "GET") lines.push(`-X ${method}`);
  if (operation["x-reach"]) lines.push('-H "Authorization: Bearer $COUNTERSIGN_KEY"');
  lines.push(...bodyLines(operation, document));
  return lines.join(" \\\n  ");
}

/**
 * @param {Operation} operation
 * @param {OpenApi} document
 */
function bodyLines(operation, document) {
  const form = formOf(operation.requestBody?.content);
  if (!form) return [];
  if (form.media === "application/json") {
    const body = JSON.stringify(exampleOf(form.schema, document, false));
    return ["-H 'Content-Type: application/json'", `-d ${quoted(body)}`];
  }
  const fields = fieldsOf(form.schema, document).filter(({ required }) => required);
  return fields.map(({ name, type }) =>
    type === "file" ? `-F ${quoted(`${name}=@FILE`)}` : `-F ${quoted(`${name}=VALUE`)}`,
  );
}

/**
 * As one word of a shell, whatever it holds.
 * @param {string} text
 */
function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/**
 * A description as paragraphs, whose lines are broken as their source was; of the pieces of each
 * every second one is code.
 * @param {string} description
 * @returns {string[][]}
 */
export function paragraphsOf(description) {
  const paragraphs = description
    .split(/\n\s*\n/)
    .map((text) => text.replace(/\s*\n\s*/g, " ").trim());
  return paragraphs.filter(Boolean).map((text) => text.split("`"));
}
