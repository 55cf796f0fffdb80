// The @anthropic-ai/sdk package: the Messages API.

import Anthropic from "@anthropic-ai/sdk";
import { betaZodTool } from "@anthropic-ai/sdk/helpers/beta/zod";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { z } from "zod";
import {
  CLEVER, DEATHS, ERRORS, Scenarios, breaks, given, holds, meant, raises, same, several, url,
} from "./scenarios.mjs";

const client = new Anthropic({ baseURL: url, apiKey: "unused", maxRetries: 0 });
const scenario = new Scenarios();
const USER = [{ role: "user", content: given.question }];
const TOOLS = [{ name: "weather", description: "of a city", input_schema: given.weather }];
const City = z.object({ name: z.string(), people: z.number(), twins: z.array(z.string()) });
// status → what is raised; all others are an InternalServerError
const KINDS = {
  400: Anthropic.BadRequestError,
  404: Anthropic.NotFoundError,
  409: Anthropic.ConflictError,
  429: Anthropic.RateLimitError,
};

function ask(model, more = {}) {
  return client.messages.create({ model, max_tokens: 100, messages: USER, ...more });
}

function refused(model, asking) {
  const kind = KINDS[meant(model)] ?? Anthropic.InternalServerError;
  return raises(asking, { status: meant(model) }, kind);
}

scenario.add("plain", async () => {
  const { data, response } = await ask("touchstone").withResponse();
  same(response.headers.get("x-touchstone-model"), "chat/clever");
  return holds(data.content[0].text, given.question);
});

scenario.add("plain", CLEVER, async (model) => {
  const found = await ask(model, { system: given.system });
  same([found.stop_reason, found.usage.input_tokens], ["end_turn", 7]);
  return holds(found.content[0].text, given.question, `told to: ${given.system}`);
});

scenario.add("streamed", CLEVER, async (model) => {
  const stream = client.messages.stream({ model, max_tokens: 100, messages: USER });
  await several(stream);
  const found = await stream.finalMessage();
  same([found.stop_reason, found.usage.output_tokens > 3], ["end_turn", true]);
  return holds(found.content[0].text, given.question);
});

scenario.add("conversation", CLEVER, async (model) => {
  const first = await ask(model);
  const messages = [
    ...USER,
    { role: "assistant", content: first.content },
    { role: "user", content: "And of Spain?" },
  ];
  const found = await ask(model, { messages });
  return holds(found.content[0].text, "question 2 was: And of Spain?");
});

scenario.add("tools", CLEVER, async (model) => {
  const first = await ask(model, { tools: TOOLS });
  const call = first.content.find((block) => block.type === "tool_use");
  same([first.stop_reason, call.name, call.input], ["tool_use", "weather", { city: "Paris" }]);
  const result = { type: "tool_result", tool_use_id: call.id, content: given.forecast };
  const messages = [
    ...USER,
    { role: "assistant", content: first.content },
    { role: "user", content: [result] },
  ];
  const found = await ask(model, { messages, tools: TOOLS });
  return holds(found.content[0].text, `the tools say: ${given.forecast}`);
});

scenario.add("tools by the runner", CLEVER, async (model) => {
  const weather = betaZodTool({
    name: "weather",
    description: "of a city",
    inputSchema: z.object({ city: z.string() }),
    run: ({ city }) => `${given.forecast} in ${city}`,
  });
  const asked = { model, max_tokens: 100, messages: USER, tools: [weather] };
  const found = await client.beta.messages.toolRunner(asked);
  return holds(found.content[0].text, `the tools say: ${given.forecast} in Paris`);
});

scenario.add("tools streamed", CLEVER, async (model) => {
  const asked = { model, max_tokens: 100, messages: USER, tools: TOOLS };
  const found = await client.messages.stream(asked).finalMessage();
  const call = found.content.find((block) => block.type === "tool_use");
  return same([found.stop_reason, call.input], ["tool_use", { city: "Paris" }]);
});

scenario.add("structured", CLEVER, async (model) => {
  const output_config = { format: zodOutputFormat(City) };
  const asked = { model, max_tokens: 100, messages: USER, output_config };
  const found = await client.messages.parse(asked);
  return same(found.parsed_output, { name: "Paris", people: 7, twins: ["Paris"] });
});

scenario.add("image", CLEVER, async (model) => {
  const source = { type: "base64", media_type: "image/jpeg", data: given.jpeg };
  const content = [{ type: "image", source }, { type: "text", text: "What is this?" }];
  const found = await ask(model, { messages: [{ role: "user", content }] });
  return holds(found.content[0].text, "1 images: image/jpeg");
});

scenario.add("thinking", CLEVER, async (model) => {
  const thinking = { type: "enabled", budget_tokens: 1024 };
  const found = await ask(model.replace("clever", "thinker"), { max_tokens: 2048, thinking });
  const thoughts = found.content.filter((block) => block.type === "thinking");
  return same(thoughts.map((block) => block.thinking), ["Let me see."]);
});

scenario.add("error", ERRORS, (model) => refused(model, () => ask(model)));

scenario.add("error streamed", ERRORS, (model) =>
  refused(model, () => ask(model, { stream: true })));

scenario.add("error retry-after", async () => {
  const error = await ask("chat/status-429").catch((raised) => raised);
  return same(error.headers.get("retry-after"), "1");
});

scenario.add("dies in mid-stream:", DEATHS, (model) =>
  breaks(() => ask(model, { stream: true })));

await scenario.run("@anthropic-ai/sdk");
