// The openai package: chat completions, Responses, embeddings, models.

import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import {
  CLEVER, DEATHS, ERRORS, Scenarios, breaks, given, holds, meant, raises, same, several, url,
} from "./scenarios.mjs";

const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "unused", maxRetries: 0 });
const chat = client.chat.completions;
const responses = client.responses;
const USER = [{ role: "user", content: given.question }];
const City = z.object({ name: z.string(), people: z.number(), twins: z.array(z.string()) });
const PARIS = { name: "Paris", people: 7, twins: ["Paris"] };
const IMAGE = `data:image/png;base64,${given.png}`;
// status → what is raised; all others are an InternalServerError
const KINDS = {
  400: OpenAI.BadRequestError,
  404: OpenAI.NotFoundError,
  409: OpenAI.ConflictError,
  429: OpenAI.RateLimitError,
};

function refused(model, asking) {
  const kind = KINDS[meant(model)] ?? OpenAI.InternalServerError;
  return raises(asking, { status: meant(model) }, kind);
}

const byChat = new Scenarios();
const TOOLS = [{ type: "function", function: { name: "weather", parameters: given.weather } }];

byChat.add("plain", async () => {
  const { data, response } = await chat
    .create({ model: "touchstone", messages: USER })
    .withResponse();
  same(response.headers.get("x-touchstone-model"), "chat/clever");
  return holds(data.choices[0].message.content, given.question);
});

byChat.add("plain", CLEVER, async (model) => {
  const found = await chat.create({ model, messages: USER });
  same(found.usage.prompt_tokens, 7);
  return holds(found.choices[0].message.content, given.question);
});

byChat.add("streamed", CLEVER, async (model) => {
  const wanted = { stream: true, stream_options: { include_usage: true } };
  const chunks = await several(await chat.create({ model, messages: USER, ...wanted }));
  same([chunks.at(-1).choices, chunks.at(-1).usage.prompt_tokens], [[], 7]);
  return holds(chunks.map((c) => c.choices[0]?.delta.content ?? "").join(""), given.question);
});

byChat.add("conversation", CLEVER, async (model) => {
  const first = await chat.create({ model, messages: USER });
  const system = { role: "system", content: given.system };
  const next = { role: "user", content: "And of Spain?" };
  const messages = [system, ...USER, first.choices[0].message, next];
  const found = await chat.create({ model, messages });
  const text = found.choices[0].message.content;
  return holds(text, "question 2 was: And of Spain?", `told to: ${given.system}`);
});

byChat.add("tools", CLEVER, async (model) => {
  const weather = {
    type: "function",
    function: {
      name: "weather",
      parameters: given.weather,
      parse: JSON.parse,
      function: ({ city }) => `${given.forecast} in ${city}`,
    },
  };
  const runner = chat.runTools({ model, messages: USER, tools: [weather] });
  return holds(await runner.finalContent(), `the tools say: ${given.forecast} in Paris`);
});

byChat.add("tools streamed", CLEVER, async (model) => {
  const stream = chat.stream({ model, messages: USER, tools: TOOLS });
  const found = await stream.finalChatCompletion();
  const call = found.choices[0].message.tool_calls[0].function;
  return same([call.name, JSON.parse(call.arguments)], ["weather", { city: "Paris" }]);
});

byChat.add("structured", CLEVER, async (model) => {
  const response_format = zodResponseFormat(City, "city");
  const found = await chat.parse({ model, messages: USER, response_format });
  return same(found.choices[0].message.parsed, PARIS);
});

byChat.add("image", CLEVER, async (model) => {
  const content = [
    { type: "text", text: "What is this?" },
    { type: "image_url", image_url: { url: IMAGE } },
  ];
  const found = await chat.create({ model, messages: [{ role: "user", content }] });
  return holds(found.choices[0].message.content, "1 images: image/png");
});

byChat.add("several answers", async () => {
  const found = await chat.create({ model: "chat/clever", messages: USER, n: 2, logprobs: true });
  same(found.choices[1].logprobs.content[0].logprob, -0.5);
  return same(found.choices.map((choice) => choice.index), [0, 1]);
});

byChat.add("embeddings", async () => {
  const input = ["four", "eleven more"];
  const asked = { model: "chat/clever", input, encoding_format: "float" };
  const found = await client.embeddings.create(asked);
  return same(found.data.map((entry) => entry.embedding), [[4, 0.5], [11, 0.5]]);
});

byChat.add("models", async () => {
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  same(names.includes("touchstone"), true);
  same((await client.models.retrieve("blocks/clever")).owned_by, "blocks");
  return names;
});

byChat.add("error", ERRORS, (model) =>
  refused(model, () => chat.create({ model, messages: USER })));

byChat.add("error streamed", ERRORS, (model) =>
  refused(model, () => chat.create({ model, messages: USER, stream: true })));

byChat.add("error retry-after", async () => {
  const asked = { model: "chat/status-429", messages: USER };
  const error = await chat.create(asked).catch((raised) => raised);
  return same(error.headers.get("retry-after"), "1");
});

byChat.add("dies in mid-stream:", DEATHS, (model) =>
  breaks(() => chat.create({ model, messages: USER, stream: true })));

const byResponses = new Scenarios();
const FUNCTIONS = [
  { type: "function", name: "weather", parameters: given.weather, strict: true },
];

byResponses.add("plain", CLEVER, async (model) => {
  const found = await responses.create({ model, input: given.question });
  same([found.status, found.usage.input_tokens], ["completed", 7]);
  return holds(found.output_text, given.question);
});

byResponses.add("streamed", CLEVER, async (model) => {
  const stream = responses.stream({ model, input: given.question });
  const events = await several(stream);
  same(events.map((e) => e.sequence_number), events.map((_, number) => number));
  return holds((await stream.finalResponse()).output_text, given.question);
});

byResponses.add("conversation", async () => {
  const first = await responses.create({ model: "chat/clever", input: given.question });
  const found = await responses.create({
    model: "chat/clever", input: "And of Spain?", previous_response_id: first.id,
  });
  return holds(found.output_text, "question 2 was: And of Spain?");
});

byResponses.add("conversation", CLEVER, async (model) => {
  const first = await responses.create({ model, input: USER });
  const input = [...USER, ...first.output, { role: "user", content: "And of Spain?" }];
  const found = await responses.create({ model, input, instructions: given.system });
  return holds(found.output_text, "question 2 was: And of Spain?", `told to: ${given.system}`);
});

byResponses.add("tools", CLEVER, async (model) => {
  const first = await responses.create({ model, input: USER, tools: FUNCTIONS });
  const call = first.output.find((item) => item.type === "function_call");
  same([call.name, JSON.parse(call.arguments)], ["weather", { city: "Paris" }]);
  const result = {
    type: "function_call_output", call_id: call.call_id, output: given.forecast,
  };
  const input = [...USER, ...first.output, result];
  const found = await responses.create({ model, input, tools: FUNCTIONS });
  return holds(found.output_text, `the tools say: ${given.forecast}`);
});

byResponses.add("structured", CLEVER, async (model) => {
  const text = { format: zodTextFormat(City, "city") };
  const found = await responses.parse({ model, input: given.question, text });
  return same(found.output_parsed, PARIS);
});

byResponses.add("image", CLEVER, async (model) => {
  const content = [
    { type: "input_text", text: "What is this?" },
    { type: "input_image", image_url: IMAGE, detail: "auto" },
  ];
  const found = await responses.create({ model, input: [{ role: "user", content }] });
  return holds(found.output_text, "1 images: image/png");
});

byResponses.add("error", ERRORS, (model) =>
  refused(model, () => responses.create({ model, input: given.question })));

byResponses.add("error streamed", ERRORS, (model) =>
  refused(model, () => responses.create({ model, input: given.question, stream: true })));

byResponses.add("dies in mid-stream:", DEATHS, (model) =>
  breaks(() => responses.create({ model, input: given.question, stream: true })));

await byChat.run("openai npm");
await byResponses.run("openai npm, responses");
