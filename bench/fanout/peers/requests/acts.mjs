// recordMessage and replyToEscalation: the statements, locks and wake-ups of Baton. Its rules are left out.
import { newId, parseId, formatId } from './ids.mjs';

/** Wake-ups that wait go out together, one publication at a time. */
export class WakeUps {
  #waiting = new Map();
  #publishing = false;

  constructor(send) {
    this.send = send;
  }

  add(stream, position) {
    this.#waiting.set(stream, position);
    if (!this.#publishing) {
      this.#publishing = true;
      queueMicrotask(() => this.#publish());
    }
  }

  async #publish() {
    while (this.#waiting.size) {
      const batch = [...this.#waiting].slice(0, 60);
      for (const [stream] of batch) this.#waiting.delete(stream);
      await this.send(JSON.stringify(batch));
    }
    this.#publishing = false;
  }
}

export class Acts {
  constructor(pool, ask, wakeUps) {
    this.pool = pool;
    this.ask = ask;
    this.wakeUps = wakeUps;
  }

  async #transaction(work) {
    const client = await this.pool.connect();
    const heads = [];
    try {
      await client.query('BEGIN ISOLATION LEVEL READ COMMITTED');
      const result = await work(client, heads);
      await client.query('COMMIT');
      for (const head of heads) this.wakeUps.add(...head);
      return result;
    } catch (error) {
      await client.query('ROLLBACK');
      throw error;
    } finally {
      client.release();
    }
  }

  async #append(client, heads, stream, at, type, data) {
    const { rows } = await this.ask(client, 'log', [1, at, stream, [type], [JSON.stringify(data)]]);
    heads.push([stream, Number(rows[0].position)]);
  }

  #insert(client, message) {
    const { id, conversation, position, role, content, author, confidence, at, actor } = message;
    const values = [id, conversation, position, role, 'DELIVERED', content, null, author, confidence, [], null, at];
    return this.ask(client, 'message', [...values, actor.kind, actor.id]);
  }

  record(actor, input) {
    const key = parseId('conv', input.conversationId);
    return this.#transaction(async (client, heads) => {
      const { rows } = await this.ask(client, 'conversation', [actor.workspace, key]);
      if (!rows.length) throw new Error('There is no such conversation.');
      const [row] = rows;
      const { clock: at } = row;
      const id = newId();
      const position = row.messages + 1;
      const { role, content, confidence = null } = input;
      if (role === 'USER')
        await this.ask(client, 'customerSpoke', [position, row.customer_messages + 1, id, at, key]);
      else await this.ask(client, 'spoken', [position, at, key]);
      await this.#insert(client, {
        id, conversation: key, position, role, content, author: null, confidence, at, actor,
      });
      await this.#append(client, heads, key, at, 'message.added', { message: id, status: 'DELIVERED' });
      if (role === 'USER') {
        const turn = { message: id, conversation: key, agent: row.agent_id, epoch: row.ai_epoch };
        await this.#append(client, heads, row.workspace_id, at, 'turn.requested', turn);
      }
      return {
        conversation: key,
        ai: { state: row.ai_state, epoch: row.ai_epoch },
        message: { id: formatId('msg', id), position, status: 'DELIVERED' },
      };
    });
  }

  reply(actor, input) {
    const key = parseId('esc', input.escalationId);
    return this.#transaction(async (client, heads) => {
      await this.ask(client, 'member', [actor.id]);
      const { rows } = await this.ask(client, 'conversationOf', [actor.workspace, key]);
      if (!rows.length) throw new Error('There is no such escalation.');
      const [row] = rows;
      const [escalation] = (await this.ask(client, 'escalation', [key])).rows;
      const { clock: at } = row;
      const id = newId();
      const position = row.messages + 1;
      await this.ask(client, 'spoken', [position, at, row.id]);
      await this.ask(client, 'answered', [escalation.timeline + 1, escalation.version + 1, key]);
      const entry = [key, escalation.timeline + 1, 'replied', actor.id, { message: id }, at, actor.kind, actor.id];
      await this.ask(client, 'timeline', entry);
      await this.#insert(client, {
        id, conversation: row.id, position, role: 'HUMAN', content: input.content, author: actor.id,
        confidence: null, at, actor,
      });
      await this.#append(client, heads, row.id, at, 'message.added', { message: id, status: 'DELIVERED' });
      const data = { escalation: key, conversation: row.id, agent: row.agent_id, message: id };
      await this.#append(client, heads, row.workspace_id, at, 'escalation.replied', data);
      return { message: { id: formatId('msg', id), position, status: 'DELIVERED' } };
    });
  }
}
