import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException } from '@nestjs/common';

interface Reply {
  status(code: number): { json(body: unknown): void };
}

/** What a service answers with is said to the caller, as 502; Nest's own filter would hide it behind a bare 500. */
@Catch()
export class GrpcFailureFilter implements ExceptionFilter {
  catch(failure: unknown, host: ArgumentsHost): void {
    const reply = host.switchToHttp().getResponse<Reply>();
    if (failure instanceof HttpException) {
      reply.status(failure.getStatus()).json(failure.getResponse());
      return;
    }
    const { code, details, message } = failure as { code?: unknown; details?: string; message?: string };
    reply.status(502).json({ statusCode: 502, grpcStatus: code, message: details ?? message });
  }
}
