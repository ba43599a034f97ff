/**
 * Answers what was said in a chat: the command layer's reading of it, carried out by the same
 * verbs as the API's, for the user whom the platform vouches for. May be repeated as a whole:
 * jobs have the event's id as idempotency key, and so have messages.
 */
import type { Bot } from '#schema/chat.ts';
import { JobId } from '#schema/id.ts';
import type { Env } from '../env.ts';
import { findJob } from '../services/find-job.ts';
import { findLastJob } from '../services/find-last-job.ts';
import { meetUser } from '../services/meet-user.ts';
import { answerAnonymous } from './answer/anonymous.ts';
import { cancel, doDeed, editPrompt } from './answer/deed.ts';
import { deleteResult } from './answer/delete.ts';
import { orderKeyOf, readPress, rememberPress } from './answer/press.ts';
import { ruleCommand, setRule } from './answer/rule.ts';
import { showJob, showModels } from './answer/show.ts';
import { Speech } from './answer/speech.ts';
import type { Change, Memory } from './answer/speech.ts';
import { submitDraft } from './answer/submit.ts';
import { Talk } from './answer/talk.ts';
import { readCommand, readSlash } from './command.ts';
import type { Command } from './command.ts';
import { choose, merge } from './command/draft.ts';
import { readFields } from './command/field.ts';
import type { Attachment, ChatEvent, Said } from './event.ts';
import type { Action, JobDeed, Outbound } from './message.ts';
import { excuseAccess, excuseFind, excuseRule } from './refusal.ts';
import {
  badJobReply,
  balanceReply,
  helpReply,
  linkReply,
  startReply,
  unknownReply,
  upgradeReply,
} from './reply.ts';
import { EXAMPLES, WORDS } from './reply/words.ts';

export interface Answer {
  readonly outbound: readonly Outbound[];
  readonly changes: readonly Change[];
  /** Whose chat it is; null when nobody was met. */
  readonly accountId: string | null;
}

/** The answer of an event; throws when a part of the service is away, and is then repeated. */
export async function answerEvent(
  env: Env,
  { bot, event, memory }: { bot: Bot; event: ChatEvent; memory: Memory },
  now: number,
): Promise<Answer> {
  const { platform } = event.chat;
  const requestId = `req_${event.id}`;
  if (event.user.isAnonymous) {
    const speech = new Speech({ env, bot, event, memory, now, requestId });
    await answerAnonymous(speech);
    return { outbound: speech.outbound, changes: speech.changes, accountId: null };
  }
  const met = await meetUser(
    env,
    { platform, id: event.user.id, name: event.user.name },
    requestId,
  );
  const talk = new Talk({ env, bot, event, memory, ...met, now, requestId });
  await answer(talk, event.said);
  await welcome(talk);
  talk.calm();
  const { outbound, changes } = talk;
  return { outbound, changes, accountId: met.credential.accountId };
}

async function answer(talk: Talk, said: Said): Promise<void> {
  const { bot, memory } = talk;
  const refused = excuseRule(memory.rule, bot.type);
  switch (said.kind) {
    case 'text': {
      const edited = said.answers === null ? null : jobToEdit(said.answers);
      if (edited !== null && refused === null && !said.text.startsWith('/')) {
        await editPrompt(talk, edited, said.text);
        return;
      }
      await carryOut(talk, readSaid(talk, said), {
        attachments: said.attachments,
        refused,
        aboutJobId: said.aboutJobId ?? null,
      });
      return;
    }
    case 'command': {
      const fields = readFields(said.fields, bot.type);
      const file = fileOf(said.attachments);
      const command = readSlash(said.name, said.words, { type: bot.type, file, fields });
      await carryOut(talk, command, { attachments: said.attachments, refused });
      return;
    }
    case 'press': {
      const meant = await readPress(talk, said);
      if (!meant) {
        talk.hush(WORDS.repeated);
        return;
      }
      talk.orderKey = orderKeyOf(meant);
      if (refused === null || takesBack(talk, said.action)) await press(talk, said.action);
      else talk.note(refused);
      rememberPress(talk, meant);
      return;
    }
    case 'prompt':
      if (refused === null) await editPrompt(talk, said.jobId, said.text);
      else talk.say(refused);
      return;
  }
}

/** What a chat's rule keeps nobody from: changing it, and stopping what is under way. */
const ALWAYS_ALLOWED: ReadonlySet<Command['kind']> = new Set(['rule', 'rule_help', 'cancel']);
const TAKING_BACK: ReadonlySet<JobDeed> = new Set(['cancel', 'delete', 'unpublish']);

/** Nor is anybody kept from taking back what is theirs. */
function takesBack({ memory }: Talk, action: Action): boolean {
  if (action.kind === 'draft') return memory.kept(action.draftId)?.kind === 'delete';
  return action.kind === 'job' && TAKING_BACK.has(action.deed);
}

interface Given {
  readonly attachments: readonly Attachment[];
  /** The job that is talked of, where that is clear. */
  readonly aboutJobId?: string | null;
  /** Why the bot may not be used here, or null. */
  readonly refused: string | null;
}

async function carryOut(talk: Talk, command: Command, given: Given): Promise<void> {
  const { bot, event, memory } = talk;
  if (given.refused !== null && !ALWAYS_ALLOWED.has(command.kind)) {
    talk.say(given.refused);
    return;
  }
  switch (command.kind) {
    case 'request':
      await submitDraft(talk, command.draft, given.attachments);
      return;
    case 'status':
    case 'cancel':
      await withJob(talk, command.kind, command.jobId);
      return;
    case 'start':
    case 'greeting':
      await greet(talk);
      return;
    case 'help':
      talk.say(helpReply(bot));
      return;
    case 'deed': {
      const { aboutJobId = null } = given;
      const jobId = aboutJobId ?? memory.lastJobId;
      const isGuess = aboutJobId === null;
      if (jobId) await doDeed(talk, { deed: command.deed, jobId, index: 0, isGuess });
      else talk.say(WORDS.noJob);
      return;
    }
    case 'thanks':
      talk.say(WORDS.thanks);
      return;
    case 'models':
      await showModels(talk);
      return;
    case 'plan':
    case 'upgrade':
      await showPlan(talk, command.kind);
      return;
    case 'link':
      if (!event.isPrivate && event.chat.platform === 'telegram') talk.say(WORDS.privateOnly);
      else talk.say(linkReply(talk.credential.accountId, talk.env.publicUrl));
      return;
    case 'rule':
      await setRule(talk, command);
      return;
    case 'rule_help':
      talk.say(WORDS.ruleHelp(ruleCommand(bot)));
      return;
    case 'bad_job_id':
      talk.say(badJobReply(command.said));
      return;
    case 'unknown_command':
      talk.say(unknownReply(command.said, command.near));
      return;
  }
}

async function greet(talk: Talk): Promise<void> {
  const balance = await talk.balance();
  if (!balance.ok) talk.say(excuseAccess(balance.error));
  else talk.say(startReply(talk.bot, talk.event.user.name, balance.value));
}

/** Discord has no first command: whoever is new there is told after the answer, and alone. */
async function welcome(talk: Talk): Promise<void> {
  const { bot, event } = talk;
  if (!talk.isNew || event.chat.platform !== 'discord') return;
  const balance = await talk.balance();
  if (!balance.ok) return;
  const reply = startReply(bot, event.user.name, balance.value);
  talk.say({ ...reply, isPrivate: true });
}

async function showPlan(talk: Talk, kind: 'plan' | 'upgrade'): Promise<void> {
  const balance = await talk.balance();
  if (!balance.ok) talk.say(excuseAccess(balance.error));
  else if (kind === 'plan') talk.say(balanceReply(balance.value));
  else talk.say(upgradeReply(balance.value.plan, talk.plansUrl));
}

async function withJob(talk: Talk, kind: 'status' | 'cancel', given: string | null): Promise<void> {
  const { env, credential, memory } = talk;
  const { accountId } = credential;
  const found =
    given === null
      ? await findLastJob(env, { accountId, known: memory.lastJobId })
      : await findJob(env, { jobId: given, accountId });
  if (!found.ok) {
    const none = given === null && found.error.reason === 'job_not_found';
    talk.say(none ? WORDS.noJob : excuseFind(found.error));
    return;
  }
  if (kind === 'status') showJob(talk, found.value);
  else await cancel(talk, found.value.record.id);
}

async function press(talk: Talk, action: Action): Promise<void> {
  const { bot } = talk;
  switch (action.kind) {
    case 'job':
      await doDeed(talk, action);
      return;
    case 'draft':
      await goOn(talk, action);
      return;
    case 'example': {
      const example = EXAMPLES[bot.type][action.index];
      const command = readCommand(example ?? '', { type: bot.type, file: null });
      await carryOut(talk, command, { attachments: [], refused: null });
      return;
    }
    case 'command':
      await carryOut(talk, { kind: action.name }, { attachments: [], refused: null });
      return;
  }
}

/** Goes on with what a question of ours was about. */
async function goOn(talk: Talk, { draftId, choice }: { draftId: string; choice: number }) {
  const { memory, event } = talk;
  const kept = memory.kept(draftId);
  if (!kept) {
    talk.note(WORDS.staleButton);
    return;
  }
  if (kept.userId !== event.user.id) {
    talk.note(WORDS.onlyOwner);
    return;
  }
  talk.changes.push({ kind: 'drop', id: draftId });
  if (kept.kind === 'delete') {
    await deleteResult(talk, kept);
    return;
  }
  const draft = choose(kept.draft, choice);
  if (!draft) {
    talk.note(WORDS.staleButton);
    return;
  }
  talk.settle(`✓ ${kept.draft.doubts[0]?.choices[choice]?.label ?? ''}`);
  await submitDraft(talk, draft);
}

/** What a text means, with what it is said about. */
function readSaid({ bot, event, memory }: Talk, said: Extract<Said, { kind: 'text' }>): Command {
  const { text, attachments, answers, aboutJobId = null } = said;
  const isChange = bot.type === 'image' && aboutJobId !== null;
  const file = fileOf(attachments) ?? (isChange ? 'picture' : null);
  const isRemark = answers !== null && !event.isPrivate;
  const context = { type: bot.type, file, isRemark, isChange: isChange && !isRemark };
  const command = readCommand(text, context);
  if (command.kind !== 'request') return command;
  const { draft } = command;
  if (isChange) {
    const fields = merge(draft.fields, { from_job: aboutJobId });
    return { kind: 'request', draft: { ...draft, fields } };
  }
  if (bot.type === 'text' && answers !== null) return inAnswer(command, answers);
  const [doubt, ...doubts] = draft.doubts;
  const { lastJobId } = memory;
  if (bot.type !== 'image' || lastJobId === null) return command;
  if (doubt?.about.reason !== 'is_it_a_prompt' || !doubt.about.isAbout) return command;
  // "Make it darker": most likely what was made last.
  const last = { label: WORDS.changeLast, fields: { from_job: lastJobId } };
  const asked = { ...doubt, choices: [last, ...doubt.choices] };
  return { kind: 'request', draft: { ...draft, doubts: [asked, ...doubts] } };
}

/** A request that goes on from a text of ours, without the figures at its end. */
function inAnswer(command: Command, text: string): Command {
  const answered = text.split('\n\n').slice(0, -1).join('\n\n');
  if (command.kind !== 'request' || answered === '') return command;
  const { draft } = command;
  return { kind: 'request', draft: { ...draft, fields: merge(draft.fields, { answered }) } };
}

function fileOf(attachments: readonly Attachment[]): 'picture' | 'sound' | null {
  const [first] = attachments;
  if (!first) return null;
  return first.kind === 'picture' ? 'picture' : 'sound';
}

/** The job whose new words were asked for in this message of ours. */
function jobToEdit(text: string): string | null {
  if (!text.startsWith(WORDS.editPrompt)) return null;
  const id = JobId.safeParse(text.slice(WORDS.editPrompt.length).trim());
  return id.success ? id.data : null;
}
