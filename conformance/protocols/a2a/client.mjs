// The client of JavaScript (@a2a-js/sdk). `calls` prints what it has done, and at last the id of a task that asks; `answer TASK` answers it.

import assert from 'node:assert/strict';

import { Role, TaskState } from '@a2a-js/sdk';
import { ClientFactory, ClientFactoryOptions, JsonRpcTransportFactory, RestTransportFactory } from '@a2a-js/sdk/client';

const path = '/a2a/architect/.well-known/agent-card.json';

const fetchAs = (token) => (input, init = {}) => {
  const headers = new Headers(init.headers);
  if (token) headers.set('authorization', `Bearer ${token}`);
  return fetch(input, { ...init, headers });
};

const connect = (token, Transport) => {
  const transport = new Transport({ fetchImpl: fetchAs(token) });
  const factory = new ClientFactory({ ...ClientFactoryOptions.default, transports: [transport], preferredTransports: [transport.protocolName] });
  return factory.createFromUrl(process.env.AGENTGEN_URL, path);
};

const text = (text) => ({ content: { $case: 'text', value: text }, metadata: undefined, filename: '', mediaType: '' });
const says = (words, to = {}, returnImmediately = false) => ({
  tenant: '',
  message: {
    messageId: crypto.randomUUID(), contextId: '', taskId: '', role: Role.ROLE_USER, parts: [text(words)],
    metadata: undefined, extensions: [], referenceTaskIds: [], ...to,
  },
  configuration: { acceptedOutputModes: [], taskPushNotificationConfig: undefined, returnImmediately },
  metadata: undefined,
});
const textOf = (artifact) => artifact.parts.map((part) => part.content.value).join('');
const collect = async (events) => {
  const all = [];
  for await (const event of events) all.push(event);
  return all;
};
const task = (id) => ({ tenant: '', id });

const calls = async () => {
  const done = [];
  for (const Transport of [JsonRpcTransportFactory, RestTransportFactory]) {
    const client = await connect(process.env.TOKEN, Transport);
    const sent = await client.sendMessage(says('hello'));
    assert.equal(sent.status.state, TaskState.TASK_STATE_COMPLETED);
    assert.equal(textOf(sent.artifacts[0]).trim(), 'You said hello');
    const got = await client.getTask(task(sent.id));
    assert.deepEqual(got.artifacts, sent.artifacts);
    const listed = await client.listTasks({ tenant: '', contextId: sent.contextId, status: TaskState.TASK_STATE_UNSPECIFIED, pageToken: '' });
    assert.deepEqual(listed.tasks.map(({ id }) => id), [sent.id]);

    const events = await collect(client.sendMessageStream(says('some words')));
    const payloads = events.map((event) => event.payload);
    assert.equal(payloads[0].$case, 'task');
    const words = payloads.filter(({ $case }) => $case === 'artifactUpdate').map(({ value }) => textOf(value.artifact));
    assert.ok(words.length > 1);
    assert.equal(words.join('').trim(), 'You said some words');
    assert.equal(payloads.at(-1).value.status.state, TaskState.TASK_STATE_COMPLETED);

    const waiting = await client.sendMessage(says('wait', {}, true));
    const following = collect(client.resubscribeTask(task(waiting.id)));
    await new Promise((resolve) => setTimeout(resolve, 300));
    const cancelled = await client.cancelTask({ ...task(waiting.id), metadata: undefined });
    assert.equal(cancelled.status.state, TaskState.TASK_STATE_CANCELED);
    assert.equal((await following).at(-1).payload.value.status.state, TaskState.TASK_STATE_CANCELED);

    const other = await connect(process.env.OTHER_TOKEN, Transport);
    await assert.rejects(other.getTask(task(sent.id)), /not found/i);
    const nobody = await connect('', Transport);
    await assert.rejects(nobody.sendMessage(says('hello')));
    done.push(`${new Transport().protocolName} 1.0`);
  }
  const client = await connect(process.env.TOKEN, JsonRpcTransportFactory);
  const asking = await client.sendMessage(says('ask'));
  assert.equal(asking.status.state, TaskState.TASK_STATE_INPUT_REQUIRED);
  console.log([...done, asking.id].join('\n'));
};

const answer = async (id) => {
  const client = await connect(process.env.TOKEN, JsonRpcTransportFactory);
  const asking = await client.getTask(task(id));
  assert.equal(asking.status.state, TaskState.TASK_STATE_INPUT_REQUIRED);
  const answered = await client.sendMessage(says('three', { taskId: id, contextId: asking.contextId }));
  assert.equal(answered.status.state, TaskState.TASK_STATE_COMPLETED);
  assert.equal(textOf(answered.artifacts[0]).trim(), 'You said three');
};

await (process.argv[2] === 'calls' ? calls() : answer(process.argv[3]));
