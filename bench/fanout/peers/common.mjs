// What the peers share: one schema, one event of the size that Baton sends, and the port by which they are told to publish.
import net from 'node:net';

export const SDL = `
  type Author { name: String! }
  type Message { id: ID! content: String! author: Author }
  type MessageEvent { cursor: String! message: Message! }
  type Query { hello: String }
  type Subscription { messageAdded(conversationId: ID!, after: String): MessageEvent! }
`;

let sequence = 0;

export function event(content) {
  const number = String(sequence++);
  return {
    cursor: number.padStart(43, '0'),
    message: { id: `msg_${number.padStart(26, '0')}`, content, author: { name: 'Ada Lovelace' } },
  };
}

// A line "K STAMP" publishes K events, all in one turn of the loop.
export function takeOrders(port, publish) {
  const server = net.createServer((socket) => {
    let waiting = '';
    socket.on('error', () => {});
    socket.on('data', (data) => {
      const lines = (waiting + data).split('\n');
      waiting = lines.pop();
      for (const line of lines) {
        const [events, stamp] = line.split(' ');
        for (let k = 0; k < +events; k++) {
          publish(event(`t=${stamp} The payment failed twice, please call back.`));
        }
      }
    });
  });
  server.listen(port, '127.0.0.1');
}
