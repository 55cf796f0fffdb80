// The ollama package: chat, generate, embed, and what it asks about models.

import { Ollama } from "ollama";
import {
  CLEVER, DEATHS, ERRORS, Scenarios, breaks, given, holds, meant, raises, same, several, url,
} from "./scenarios.mjs";

const client = new Ollama({ host: url });
const scenario = new Scenarios();
const USER = [{ role: "user", content: given.question }];
const TOOLS = [{ type: "function", function: { name: "weather", parameters: given.weather } }];

scenario.add("plain", CLEVER, async (model) => {
  const found = await client.chat({ model, messages: USER });
  same([found.done, found.done_reason, found.prompt_eval_count], [true, "stop", 7]);
  return holds(found.message.content, given.question);
});

scenario.add("streamed", CLEVER, async (model) => {
  const records = await several(await client.chat({ model, messages: USER, stream: true }));
  same([records.at(-1).done, records.at(-1).prompt_eval_count], [true, 7]);
  return holds(records.map((record) => record.message.content).join(""), given.question);
});

scenario.add("conversation", CLEVER, async (model) => {
  const first = await client.chat({ model, messages: USER });
  const system = { role: "system", content: given.system };
  const messages = [system, ...USER, first.message, { role: "user", content: "And of Spain?" }];
  const found = await client.chat({ model, messages });
  const text = found.message.content;
  return holds(text, "question 2 was: And of Spain?", `told to: ${given.system}`);
});

scenario.add("tools", CLEVER, async (model) => {
  const first = await client.chat({ model, messages: USER, tools: TOOLS });
  const call = first.message.tool_calls[0].function;
  same([call.name, call.arguments], ["weather", { city: "Paris" }]);
  const result = { role: "tool", tool_name: "weather", content: given.forecast };
  const messages = [...USER, first.message, result];
  const found = await client.chat({ model, messages, tools: TOOLS });
  return holds(found.message.content, `the tools say: ${given.forecast}`);
});

scenario.add("structured", CLEVER, async (model) => {
  const found = await client.chat({ model, messages: USER, format: given.weather });
  return same(JSON.parse(found.message.content), { city: "Paris" });
});

scenario.add("image", CLEVER, async (model) => {
  const picture = Buffer.from(given.jpeg, "base64");
  const messages = [{ role: "user", content: "What is this?", images: [picture] }];
  const found = await client.chat({ model, messages });
  return holds(found.message.content, "1 images: image/jpeg");
});

scenario.add("thinking", CLEVER, async (model) => {
  const thinker = model.replace("clever", "thinker");
  const found = await client.chat({ model: thinker, messages: USER, think: true });
  return same(found.message.thinking, "Let me see.");
});

scenario.add("generate", CLEVER, async (model) => {
  const asked = { model, prompt: given.question, system: given.system };
  const records = await several(await client.generate({ ...asked, stream: true }));
  holds(records.map((record) => record.response).join(""), given.question);
  return holds((await client.generate(asked)).response, `told to: ${given.system}`);
});

scenario.add("embed", async () => {
  const found = await client.embed({ model: "chat/clever", input: ["four", "eleven more"] });
  return same(found.embeddings, [[4, 0.5], [11, 0.5]]);
});

scenario.add("models", async () => {
  const { models } = await client.list();
  same(models.some((entry) => entry.name === "touchstone:latest"), true);
  same((await client.ps()).models[0].name, "touchstone:latest");
  holds((await client.show({ model: "touchstone" })).capabilities, "completion");
  return holds((await client.version()).version, ".");
});

scenario.add("error", ERRORS, (model) =>
  raises(() => client.chat({ model, messages: USER }), { status_code: meant(model) }));

scenario.add("error streamed", ERRORS, (model) =>
  raises(() => client.chat({ model, messages: USER, stream: true }),
    { status_code: meant(model) }));

scenario.add("dies in mid-stream:", DEATHS, (model) =>
  breaks(() => client.chat({ model, messages: USER, stream: true })));

await scenario.run("ollama npm");
