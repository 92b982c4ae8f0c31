/** Small servers inside the laboratory: HTTP, MLLP, Telnet, and a client of MLLP and DHCP; one word chooses. */

import { createSocket } from 'node:dgram';
import { createServer as createHttp } from 'node:http';
import { connect, createServer } from 'node:net';

const [what, host, port, text = ''] = process.argv.slice(2);

if (what === 'http')
  createHttp((request, response) => {
    request.resume();
    const digest = request.url?.startsWith('/digest') && !request.headers.authorization;
    if (digest) response.writeHead(401, { 'WWW-Authenticate': 'Digest realm="r", nonce="n1", qop="auth"' });
    response.end('ok');
  }).listen(Number(port), host, () => console.log('ready'));
else if (what === 'mllp')
  createServer((socket) => {
    socket.on('data', () => socket.write('\x0bMSH|^~\\&|R|F|S|F|2026||ACK|1|P|2.5\rMSA|AA|1\r\x1c\r'));
    socket.on('error', () => {});
  }).listen(Number(port), host, () => console.log('ready'));
else if (what === 'mllp-send') {
  const socket = connect(Number(port), host, () => socket.write(`\x0b${text.replaceAll('\n', '\r')}\x1c\r`));
  socket.on('data', () => socket.end());
} else if (what === 'telnet')
  createServer((socket) => {
    const asks = ['login: ', 'Password: ', 'Last login: never\r\n$ '];
    socket.write(Buffer.concat([Buffer.from([255, 251, 1, 255, 251, 3]), Buffer.from(asks.shift() ?? '')]));
    socket.on('data', (bytes) => {
      if (bytes.includes(13) || bytes.includes(10)) socket.write(`\r\n${asks.shift() ?? '$ '}`);
    });
    socket.on('error', () => {});
  }).listen(Number(port), host, () => console.log('ready'));
else if (what === 'dhcp-ask') {
  const packet = Buffer.alloc(300);
  packet.set([1, 1, 6, 0, 1, 2, 3, 4, 0, 0, 0x80, 0], 0);
  packet.set([2, 0x11, 0x22, 0x33, 0x44, 0x55], 28);
  packet.set([0x63, 0x82, 0x53, 0x63, 53, 1, 1, 12, 6, 0x77, 0x61, 0x72, 0x64, 0x2d, 0x37, 255], 236);
  const socket = createSocket('udp4');
  socket.bind(68, '0.0.0.0', () => {
    socket.setBroadcast(true);
    socket.send(packet, 67, '10.77.0.255');
    setTimeout(() => process.exit(0), Number(port));
  });
}
