// A mail server for tests. Prints one line of JSON for each thing that happens, first `{"port": …}`.
//
//   node server.js [--port N] [--starttls] [--user NAME --password SECRET]
//
// What the first word of a recipient's address asks for:
//   refused@…   550 at RCPT, for ever          later@…    451 at RCPT the first two times
//   rejected@…  554 after the mail             busy@…     452 after the mail the first time
//   silent@…    takes the mail and hangs up without an answer
import { parseArgs } from 'node:util';
import { SMTPServer } from 'smtp-server';

const { values: options } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    starttls: { type: 'boolean', default: false },
    user: { type: 'string' },
    password: { type: 'string' },
  },
});

const tell = (what) => process.stdout.write(JSON.stringify(what) + '\n');
const refusal = (code, text) => Object.assign(new Error(text), { responseCode: code });
const seen = new Map();
const times = (address) => {
  seen.set(address, (seen.get(address) ?? 0) + 1);
  return seen.get(address);
};
const word = (address) => address.split('@')[0].split('.')[0];

const server = new SMTPServer({
  disabledCommands: [...(options.starttls ? [] : ['STARTTLS']), ...(options.user ? [] : ['AUTH'])],
  authOptional: !options.user,
  allowInsecureAuth: true,
  disableReverseLookup: true,
  onAuth({ username, password }, session, done) {
    if (username === options.user && password === options.password) return done(null, { user: username });
    tell({ event: 'denied' });
    done(refusal(535, 'no'));
  },
  onRcptTo({ address }, session, done) {
    if (word(address) === 'refused') return done(refusal(550, `no such mailbox: ${address}`));
    if (word(address) === 'later' && times(address) <= 2) return done(refusal(451, 'come back later'));
    done();
  },
  onData(stream, session, done) {
    const chunks = [];
    stream.on('data', (chunk) => chunks.push(chunk));
    stream.on('end', () => {
      const [{ address }] = session.envelope.rcptTo;
      if (word(address) === 'rejected') return done(refusal(554, 'rejected'));
      if (word(address) === 'busy' && times(address) === 1) return done(refusal(452, 'no space'));
      tell({
        event: 'mail',
        from: session.envelope.mailFrom.address,
        to: session.envelope.rcptTo.map((to) => to.address),
        user: session.user ?? null,
        raw: Buffer.concat(chunks).toString('latin1'),
      });
      if (word(address) === 'silent') {
        for (const connection of server.connections) connection._socket.destroy();
        return;
      }
      done();
    });
  },
});

server.on('error', () => {});
server.listen(Number(options.port), '127.0.0.1', () => tell({ port: server.server.address().port }));
// Ends with the test that started it, whatever becomes of that.
process.stdin.on('end', () => process.exit(0)).resume();
