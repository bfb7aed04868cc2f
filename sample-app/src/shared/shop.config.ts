import { defineConfig, secret } from 'im-infra';
import { z } from 'zod';

const schema = z.object({
  greeting: z.string().min(1),
  discountPercent: z.number().min(0).max(90),
  voucherPin: z.string().transform(secret).optional(),
});

export type Shop = z.infer<typeof schema>;

/** Every service of the fleet follows `/config/demo/global/shop`; `/config/demo/<service>/shop` would go before it. */
export const shopConfig = defineConfig('shop', {
  schema,
  default: { greeting: 'Hello', discountPercent: 0 },
});
