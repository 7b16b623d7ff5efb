// Preloaded into a server that would listen on every interface: it gets a free port of 127.0.0.1 and says which.
import net from 'node:net';

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, ...rest) {
  this.once('listening', () => console.log(JSON.stringify({ port: this.address().port })));
  return listen.call(this, 0, '127.0.0.1', ...rest.filter((each) => typeof each === 'function'));
};
process.stdin.on('end', () => process.exit(0)).resume(); // ends with whoever started it
